import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { assumptions } from "../../cost/model.ts";
import { DASHBOARD_FOLDER, dashboardHeaders, HASHED_PATH } from "../../deployment/dashboard.ts";
import { type FunctionName, functionDescriptions } from "../../deployment/functions.ts";
import { deadLetterAttributes } from "../../deployment/queues.ts";
import { sendCommands } from "../../deployment/rights.ts";
import { scheduleMinutes } from "../../deployment/schedules.ts";
import { stateMachineNames } from "../../deployment/state-machines.ts";
import { type Scope, scopeOf, sufficientScopes } from "../../functions/api/access.ts";
import { alarmMessages } from "../../functions/runtime/alarm-messages.ts";
import { tableSchema } from "../../functions/store/table-schema.ts";
import { evaluate, inputsOf, ofType, settings } from "./evaluation.ts";
import { ROOT } from "./tools.ts";

const production = inject("production");
const trial = inject("trial");
const functionNamed = (name: string) => name.replace("switchyard-production-", "") as FunctionName;
const functionNames = Object.keys(functionDescriptions) as FunctionName[];

describe("the table", () => {
  const table = inputsOf(production, "aws:dynamodb/table:Table");

  it("is paid by request, encrypted, restorable to any second, and loses what has expired", () => {
    expect(table).toMatchObject({
      billingMode: tableSchema.BillingMode,
      ttl: { enabled: true, attributeName: "ttl" },
      pointInTimeRecovery: { enabled: true },
      serverSideEncryption: { enabled: true },
    });
  });

  it("cannot be deleted in production, and can be elsewhere", () => {
    expect(table.deletionProtectionEnabled).toBe(true);
    expect(inputsOf(trial, "aws:dynamodb/table:Table").deletionProtectionEnabled).toBe(false);
  });
});

describe("stages", () => {
  it("keep what production has, and remove the rest", () => {
    expect(production.app).toMatchObject({ removal: "retain", protect: true });
    expect(trial.app).toMatchObject({ removal: "remove", protect: false });
  });

  it("share no name", () => {
    const names = (evaluation: typeof production) =>
      evaluation.resources.flatMap(({ type, inputs }) =>
        typeof inputs.name === "string" && !/stage:Stage|:Schedule$/.test(type)
          ? [inputs.name]
          : [],
      );
    const shared = names(production).filter((name) => names(trial).includes(name));
    expect(shared).toEqual([]);
  });
});

it("a deployment without its settings is refused, and the setting is named", () => {
  const incomplete = { ...settings, SWITCHYARD_JWT_AUDIENCE: "" };
  expect(() => evaluate("trial", incomplete)).toThrow("Expected SWITCHYARD_JWT_AUDIENCE to be set");
});

describe("each function", () => {
  const functions = ofType(production, "aws:lambda/function:Function").map(({ inputs }) => inputs);

  it("is the one that is described, on arm64 and Node 24", () => {
    const expected = functionNames.map((name) => ({
      name: `switchyard-production-${name}`,
      runtime: "nodejs24.x",
      architectures: ["arm64"],
      handler: "bundle.handler",
      timeout: functionDescriptions[name].timeoutSeconds,
      memorySize: functionDescriptions[name].memoryMb,
      role: `arn:aws:iam::123456789012:role/switchyard-production-${name}`,
    }));
    expect(sorted(functions)).toMatchObject(sorted(expected));
    const handlers = functionNames.map((name) => functionDescriptions[name].handler);
    expect(production.built.toSorted()).toEqual(handlers.toSorted());
  });

  it("knows the names of what it calls, and no secret but the key that it signs commands with", () => {
    for (const { name, environment } of functions) {
      const { variables } = plain(environment) as { variables: Record<string, string> };
      const { SST_KEY: _, SST_KEY_FILE: __, SST_RESOURCE_App: ___, ...all } = variables;
      const { COMMAND_SIGNING_KEY: signingKey, ...own } = all;
      const { rights } = functionDescriptions[functionNamed(String(name))];
      expect(signingKey !== undefined).toBe(rights.includes(sendCommands));
      expect(own).toEqual({
        TABLE_NAME: "switchyard-production",
        MIGRATION_STATE_MACHINE_ARN: expect.stringMatching(
          /:stateMachine:switchyard-production-migration$/,
        ),
        EVACUATION_STATE_MACHINE_ARN: expect.stringMatching(
          /:stateMachine:switchyard-production-evacuation$/,
        ),
        AGENT_EVENTS_FUNCTION: "switchyard-production-agent-events",
        OPEN_WINDOW_FUNCTION_ARN: expect.stringMatching(
          /:function:switchyard-production-open-window$/,
        ),
        SCHEDULE_GROUP: "switchyard-production",
        SCHEDULER_ROLE_ARN: "arn:aws:iam::123456789012:role/switchyard-production-scheduler",
        SCOPE_PREFIX: "switchyard/",
        HOST_QUEUE_PREFIX: "sy-production-",
        DEAD_LETTER_QUEUE_ARN: expect.stringMatching(/:switchyard-production-dead-letters$/),
        REQUESTS_PER_SECOND_MAX: "100",
        METRICS_NAMESPACE: "Switchyard/Test",
        LOG_LEVEL: "info",
      });
    }
  });
});

describe("logs", () => {
  it("are kept for 30 days, all of them", () => {
    const groups = ofType(production, "aws:cloudwatch/logGroup:LogGroup");
    const withAccessLog = functionNames.length + stateMachineNames.length + 1;
    expect(groups).toHaveLength(withAccessLog);
    expect(new Set(groups.map(({ inputs }) => inputs.retentionInDays))).toEqual(new Set([30]));
  });

  it("of executions hold no execution data: task tokens are in it", () => {
    const machines = ofType(production, "aws:sfn/stateMachine:StateMachine");
    expect(machines).toHaveLength(stateMachineNames.length);
    for (const { inputs } of machines) {
      expect(inputs).toMatchObject({
        loggingConfiguration: { level: "ERROR", includeExecutionData: false },
      });
    }
  });
});

describe("every route", () => {
  const routes = ofType(production, "aws:apigatewayv2/route:Route").map(({ inputs }) => inputs);
  const people = routes.filter(({ routeKey }) => !String(routeKey).includes("/agent/"));

  it("has an authorizer: people's by JWT, hosts' by IAM", () => {
    for (const route of people) {
      expect(route).toMatchObject({
        authorizationType: "JWT",
        authorizerId: expect.stringMatching(/.+/),
      });
    }
    const hosts = routes.filter((route) => !people.includes(route));
    expect(hosts.map(({ routeKey }) => routeKey).toSorted()).toEqual([
      "POST /agent/v1/join",
      "POST /agent/v1/{proxy+}",
    ]);
    for (const { authorizationType } of hosts) expect(authorizationType).toBe("AWS_IAM");
  });

  it("of people asks for the scope that the API's own table names, or more", () => {
    const asked = Object.fromEntries(
      people.map(({ routeKey, authorizationScopes }) => [routeKey, authorizationScopes]),
    );
    const inToken = (scope: Scope) => sufficientScopes(scope).map((name) => `switchyard/${name}`);
    // Of what everybody may read, only questions for which the fleet is planned have a rate of their own.
    const planning = ["GET /v1/schedules/{id}/preview", "GET /v1/evacuations/{id}/rollback"];
    const own = Object.entries(scopeOf).filter(
      ([operation, scope]) => scope !== "read" || planning.includes(operation),
    );
    expect(asked).toEqual({
      "ANY /v1/{proxy+}": inToken("read"),
      ...Object.fromEntries(own.map(([operation, scope]) => [operation, inToken(scope)])),
    });
  });

  it("is checked against the operators' issuer and audience", () => {
    expect(inputsOf(production, "aws:apigatewayv2/authorizer:Authorizer")).toMatchObject({
      authorizerType: "JWT",
      identitySources: ["$request.header.Authorization"],
      jwtConfiguration: { issuer: "https://login.example", audiences: ["switchyard"] },
    });
  });

  it("is on the stage without a prefix, throttled, and logged", () => {
    expect(inputsOf(production, "aws:apigatewayv2/stage:Stage")).toMatchObject({
      name: "$default",
      defaultRouteSettings: { throttlingRateLimit: 1_000, throttlingBurstLimit: 2_000 },
      accessLogSettings: { destinationArn: expect.stringContaining("log-group") },
    });
  });

  it("has a throttle of its own: four times the rate that the functions give one principal", () => {
    type Setting = { routeKey: string; throttlingRateLimit: number; throttlingBurstLimit: number };
    const { routeSettings } = inputsOf(production, "aws:apigatewayv2/stage:Stage");
    const found = new Map((routeSettings as Setting[]).map((one) => [one.routeKey, one]));
    expect([...found.keys()].toSorted()).toEqual(
      routes.map(({ routeKey }) => String(routeKey)).toSorted(),
    );
    // The stage of these tests gives one principal 100 requests a second.
    const rates = Object.fromEntries(
      [...found.values()].map((one) => [one.routeKey, one.throttlingRateLimit]),
    );
    expect(rates).toMatchObject({
      "ANY /v1/{proxy+}": 400,
      "POST /v1/migrations": 200,
      "POST /v1/evacuations": 12,
      "GET /v1/schedules/{id}/preview": 12,
      "POST /agent/v1/join": 20,
      "POST /agent/v1/{proxy+}": 1_000,
    });
    for (const { throttlingRateLimit: perSecond, throttlingBurstLimit: burst } of found.values()) {
      expect(burst).toBeGreaterThan(perSecond);
    }
  });

  it("exists before the stage that throttles it", () => {
    const order = production.resources.map(({ type }) => type);
    expect(order.lastIndexOf("aws:apigatewayv2/route:Route")).toBeLessThan(
      order.indexOf("aws:apigatewayv2/stage:Stage"),
    );
  });
});

it("the dead-letter queue is encrypted, and keeps what it gets as long as SQS can", () => {
  expect(inputsOf(production, "aws:sqs/queue:Queue")).toMatchObject({
    name: "switchyard-production-dead-letters",
    messageRetentionSeconds: Number(deadLetterAttributes.MessageRetentionPeriod),
    sqsManagedSseEnabled: true,
  });
});

it("schedules call their functions as often as the description says", () => {
  const schedules = ofType(production, "aws:scheduler/schedule:Schedule");
  const found = schedules.map(({ inputs }) => [inputs.name, inputs.scheduleExpression]);
  const expected = Object.entries(scheduleMinutes).map(([name, minutes]) => [
    name,
    minutes === 1 ? "rate(1 minute)" : `rate(${minutes} minutes)`,
  ]);
  const byName = (rows: unknown[][]) =>
    rows.toSorted((one, other) => (`${one}` < `${other}` ? -1 : 1));
  expect(byName(found)).toEqual(byName(expected));
});

describe("alarms", () => {
  const alarms = ofType(production, "aws:cloudwatch/metricAlarm:MetricAlarm");

  it("call somebody", () => {
    for (const { name, inputs } of alarms) {
      expect(inputs.alarmActions, name).toEqual([
        expect.stringContaining("switchyard-production-alarms"),
      ]);
      expect(inputs.alarmDescription, name).toMatch(/\w+ \w+/);
    }
    expect(inputsOf(production, "aws:sns/topicSubscription:TopicSubscription")).toMatchObject({
      protocol: "email",
      endpoint: settings.SWITCHYARD_ALARM_EMAIL,
    });
  });

  it("watch each state machine for executions that are stuck or delayed", () => {
    for (const metric of ["ExecutionsTimedOut", "ExecutionThrottled"]) {
      const watching = alarms.filter(({ inputs }) => inputs.metricName === metric);
      const watched = watching.map(({ inputs }) => {
        const { StateMachineArn } = inputs.dimensions as { StateMachineArn: string };
        return StateMachineArn.split(":").at(-1);
      });
      const expected = stateMachineNames.map((name) => `switchyard-production-${name}`);
      expect(watched.toSorted()).toEqual(expected.toSorted());
    }
  });

  it("and metrics are as many as the price counts", () => {
    const filters = ofType(production, "aws:cloudwatch/logMetricFilter:LogMetricFilter");
    expect(alarms).toHaveLength(assumptions.alarms);
    expect(filters).toHaveLength(assumptions.ownMetrics);
  });

  it("count every message that is to raise one", () => {
    const filters = ofType(production, "aws:cloudwatch/logMetricFilter:LogMetricFilter");
    const patterns = filters.map(({ inputs }) => inputs.pattern);
    const expected = Object.values(alarmMessages).map((text) => `{ $.msg = "${text}" }`);
    expect(patterns.toSorted()).toEqual(expected.toSorted());
    const counted = filters.map(
      ({ inputs }) => (inputs.metricTransformation as { name: string }).name,
    );
    const watched = alarms.map(({ inputs }) => inputs.metricName);
    expect(watched).toEqual(expect.arrayContaining(counted));
  });
});

describe("the web dashboard", () => {
  const distribution = inputsOf(production, "aws:cloudfront/distribution:Distribution");
  // The others are the functions' code.
  const files = ofType(production, "aws:s3/bucketObjectv2:BucketObjectv2")
    .filter(({ name }) => name.startsWith("Web/"))
    .map(({ inputs }) => inputs as { key: string; contentType: string; cacheControl: string });

  it("lies in a bucket that only its own distribution reads", () => {
    expect(inputsOf(production, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")).toEqual(
      expect.objectContaining({
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      }),
    );
    const { policy } = inputsOf(production, "aws:s3/bucketPolicy:BucketPolicy");
    const { Statement } = JSON.parse(String(policy));
    expect(Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { Service: "cloudfront.amazonaws.com" },
        Action: ["s3:GetObject"],
        Resource: [expect.stringMatching(/:Web\/\*$/)],
        Condition: { StringEquals: { "aws:SourceArn": expect.stringContaining("Web") } },
      },
    ]);
  });

  it("is what was built: hashed files are kept for a year, the others are asked for each time", () => {
    const built = readdirSync(join(ROOT, DASHBOARD_FOLDER), { recursive: true, encoding: "utf8" });
    const keys = files.map(({ key }) => key);
    expect(keys).toContain("index.html");
    expect(keys).toEqual(built.filter((path) => path.includes(".")).toSorted());
    for (const { key, contentType, cacheControl } of files) {
      expect(contentType, key).not.toBe("application/octet-stream");
      const isHashed = `/${key}`.startsWith(HASHED_PATH);
      expect(cacheControl, key).toMatch(isHashed ? /max-age=31536000, immutable/ : /^no-store$/);
    }
  });

  it("has the headers of the local one", () => {
    const { securityHeadersConfig } = inputsOf(
      production,
      "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
    );
    expect(securityHeadersConfig).toMatchObject({
      contentSecurityPolicy: {
        contentSecurityPolicy: dashboardHeaders["content-security-policy"],
        override: true,
      },
      contentTypeOptions: { override: true },
      referrerPolicy: { referrerPolicy: dashboardHeaders["referrer-policy"], override: true },
    });
  });

  it("asks the API at its own origin, of which nothing is kept", () => {
    const { orderedCacheBehaviors, defaultCacheBehavior } = distribution;
    expect(defaultCacheBehavior).toMatchObject({
      targetOriginId: "files",
      allowedMethods: ["GET", "HEAD"],
    });
    const cachingDisabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
    expect(orderedCacheBehaviors).toMatchObject([
      { pathPattern: "/v1/*", targetOriginId: "api", cachePolicyId: cachingDisabled },
    ]);
  });
});

it("the dashboard shows every alarm, every function and every state machine", () => {
  const { dashboardBody } = inputsOf(production, "aws:cloudwatch/dashboard:Dashboard");
  const body = String(dashboardBody);
  const alarms = ofType(production, "aws:cloudwatch/metricAlarm:MetricAlarm");
  for (const { inputs } of alarms) expect(body).toContain(`:alarm:${inputs.name}`);
  for (const name of functionNames) expect(body).toContain(`switchyard-production-${name}"`);
  for (const name of stateMachineNames) {
    expect(body).toContain(`:stateMachine:switchyard-production-${name}"`);
  }
});

function sorted(items: Record<string, unknown>[]) {
  return items.toSorted((a, b) => (String(a.name) < String(b.name) ? -1 : 1));
}

/** What has a secret in it is wrapped: Pulumi's wire format names the wrapper by a fixed key. */
function plain(value: unknown): unknown {
  const isWrapped = typeof value === "object" && value !== null && "value" in value;
  return isWrapped ? value.value : value;
}
