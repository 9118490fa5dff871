import type { Resource } from "./evaluation.ts";

/** What Pulumi hands to a mock. */
export type NewResource = {
  type: string;
  name: string;
  id?: string;
  inputs: Record<string, unknown>;
  custom?: boolean;
};
export type NewCall = { token: string; inputs: Record<string, unknown> };

export const account = { id: "123456789012", region: "eu-central-1" };

/** Pulumi's runtime mocks: each resource is recorded and gets a name and an ARN as AWS gives them. */
export function pulumiMocks() {
  const resources: Resource[] = [];
  return {
    resources,
    mocks: {
      newResource({ type, name, id, inputs }: NewResource) {
        // One that is looked up by its id exists already.
        if (id === undefined || id === "") resources.push({ type, name, inputs });
        if (type.startsWith("sst:")) return { id: id || `${name}-id`, state: inputs };
        const physical = String(inputs.name ?? name);
        const made = { name: physical, arn: arnOf(type, physical), ...extrasOf(type, name) };
        return { id: id || `${name}-id`, state: { ...made, ...inputs } };
      },
      call({ token, inputs }: NewCall): Record<string, unknown> {
        switch (token) {
          case "aws:index/getRegion:getRegion":
            return { region: account.region, name: account.region, id: account.region };
          case "aws:index/getPartition:getPartition":
            return { partition: "aws", id: "aws", dnsSuffix: "amazonaws.com" };
          case "aws:index/getCallerIdentity:getCallerIdentity":
            return { accountId: account.id, arn: `arn:aws:iam::${account.id}:user/u`, id: "u" };
          default:
            return inputs;
        }
      },
    },
  };
}

/** Resources whose ARN has another form than `arn:aws:<service>:<region>:<account>:<name>`. */
const kinds: Record<string, string> = {
  "aws:dynamodb/table:Table": "table/",
  "aws:lambda/function:Function": "function:",
  "aws:sfn/stateMachine:StateMachine": "stateMachine:",
  "aws:cloudwatch/metricAlarm:MetricAlarm": "alarm:",
  "aws:rolesanywhere/trustAnchor:TrustAnchor": "trust-anchor/",
  "aws:rolesanywhere/profile:Profile": "profile/",
};
const services: Record<string, string> = { sfn: "states", apigatewayv2: "execute-api" };

function arnOf(type: string, name: string): string {
  if (type === "aws:iam/role:Role") return `arn:aws:iam::${account.id}:role/${name}`;
  if (type.endsWith(":LogGroup")) return on("logs", `log-group:${name}`);
  const service = type.split(":")[1]?.split("/")[0] ?? "";
  return on(services[service] ?? service, `${kinds[type] ?? ""}${name}`);
}

function on(service: string, resource: string): string {
  return `arn:aws:${service}:${account.region}:${account.id}:${resource}`;
}

/** What other resources read of these, besides name and ARN. */
function extrasOf(type: string, name: string): Record<string, unknown> {
  if (type === "aws:apigatewayv2/api:Api") {
    return { executionArn: on("execute-api", "api-id"), apiEndpoint: "https://api.example" };
  }
  if (type === "random:index/randomBytes:RandomBytes") {
    return { base64: Buffer.alloc(32).toString("base64") };
  }
  if (type === "aws:lambda/function:Function") return { invokeArn: on("lambda", `${name}/invoke`) };
  return {};
}
