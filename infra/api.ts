import { type Scope, scopeOf, sufficientScopes } from "../functions/api/access.ts";
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

/** As they stand in a token: whoever has a scope has those before it. */
const scopesFor = (scope: Scope) =>
  sufficientScopes(scope).map((name) => `${operators.scopePrefix}${name}`);

/**
 * People, by a token of their identity provider. What has no route of its own below needs the least:
 * the function answers that there is no such route.
 */
const people = api.route("ANY /v1/{proxy+}", functions.api.arn, {
  auth: { jwt: { authorizer: operator.id, scopes: scopesFor("read") } },
});

for (const [operation, scope] of Object.entries(scopeOf)) {
  if (scope === "read") continue;
  new aws.apigatewayv2.Route(`Route${operation.replace(/[^A-Za-z0-9]+/g, "")}`, {
    apiId: api.nodes.api.id,
    routeKey: operation,
    target: $interpolate`integrations/${people.nodes.integration.id}`,
    authorizationType: "JWT",
    authorizerId: operator.id,
    authorizationScopes: scopesFor(scope),
  });
}

/** Hosts, by AWS credentials; the function also asks for the host's key. */
api.route("POST /agent/v1/{proxy+}", functions["agent-events"].arn, { auth: { iam: true } });
