import { type Scope, sufficientScopes } from "../functions/api/access.ts";
import { functions } from "./functions.ts";
import {
  HOSTS_ROUTE,
  JOIN_ROUTE,
  otherRoutes,
  ownRoutes,
  READS_ROUTE,
  type Throttle,
  throttles,
} from "./routes.ts";
import { LOG_RETENTION, operators, requestsPerSecondMax } from "./settings.ts";

/** Ids of the routes: API Gateway refuses a stage that throttles a route which does not exist yet. */
const routeIds = Promise.withResolvers<$util.Output<string>[]>();

export const api = new sst.aws.ApiGatewayV2("Gateway", {
  accessLog: { retention: LOG_RETENTION },
  cors: false,
  transform: {
    stage: {
      defaultRouteSettings: settingsOf(otherRoutes),
      routeSettings: $output(routeIds.promise).apply(() => routeSettings()),
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
const people = api.route(READS_ROUTE, functions.api.arn, {
  auth: { jwt: { authorizer: operator.id, scopes: scopesFor("read") } },
});

const own = ownRoutes.map(
  ([operation, scope]) =>
    new aws.apigatewayv2.Route(`Route${operation.replace(/[^A-Za-z0-9]+/g, "")}`, {
      apiId: api.nodes.api.id,
      routeKey: operation,
      target: $interpolate`integrations/${people.nodes.integration.id}`,
      authorizationType: "JWT",
      authorizerId: operator.id,
      authorizationScopes: scopesFor(scope),
    }),
);

/** Hosts, by AWS credentials; the function also asks for the host's key. */
const hosts = api.route(HOSTS_ROUTE, functions["agent-events"].arn, { auth: { iam: true } });
const join = new aws.apigatewayv2.Route("RouteJoin", {
  apiId: api.nodes.api.id,
  routeKey: JOIN_ROUTE,
  target: $interpolate`integrations/${hosts.nodes.integration.id}`,
  authorizationType: "AWS_IAM",
});

const byComponent = [people, hosts].map(({ nodes }) => $output(nodes.route).id);
routeIds.resolve([...byComponent, ...[...own, join].map(({ id }) => id)]);

function routeSettings() {
  const each = requestsPerSecondMax === undefined ? undefined : Number(requestsPerSecondMax);
  return Object.entries(throttles(each)).map(([routeKey, throttle]) => ({
    routeKey,
    ...settingsOf(throttle),
  }));
}

function settingsOf({ perSecond, burst }: Throttle) {
  return { throttlingRateLimit: perSecond, throttlingBurstLimit: burst };
}
