import { functions } from "./functions.ts";
import { LOG_RETENTION, operators } from "./settings.ts";

/** Requests a second, and in one burst, of all callers together: far above what a fleet needs. */
const REQUESTS_PER_SECOND = 1_000;
const BURST = 2_000;

export const api = new sst.aws.ApiGatewayV2("Gateway", {
  accessLog: { retention: LOG_RETENTION },
  cors: false,
  transform: {
    stage: {
      defaultRouteSettings: {
        throttlingRateLimit: REQUESTS_PER_SECOND,
        throttlingBurstLimit: BURST,
      },
    },
  },
});

const operator = api.addAuthorizer({
  name: "operators",
  jwt: { issuer: operators.issuer, audiences: [operators.audience] },
});

/** People, by a token of their identity provider. */
api.route("ANY /v1/{proxy+}", functions.api.arn, { auth: { jwt: { authorizer: operator.id } } });
/** Hosts, by AWS credentials; the function also asks for the host's key. */
api.route("POST /agent/v1/{proxy+}", functions["agent-events"].arn, { auth: { iam: true } });
