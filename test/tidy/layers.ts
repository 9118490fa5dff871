/**
 * The folders of the project and what the code in each may import: other folders, and packages
 * (Node's own modules are free, except in folders that are pure). `tests` is what test code beside
 * the code, or in a `testing/` folder of it, may import on top of that.
 */
export type Layer = {
  readonly imports: readonly string[];
  readonly packages: readonly string[];
  readonly tests?: readonly string[];
  /** Folders inside, lowest first: each may import those before it. */
  readonly order?: readonly string[];
};

const SDK = [
  "@aws-sdk/client-dynamodb",
  "@aws-sdk/client-lambda",
  "@aws-sdk/client-scheduler",
  "@aws-sdk/client-sfn",
  "@aws-sdk/client-sqs",
  "@aws-sdk/lib-dynamodb",
];

export const layers: Readonly<Record<string, Layer>> = {
  core: {
    imports: [],
    packages: ["croner", "zod"],
    tests: ["fast-check"],
    order: [
      "definition",
      "import",
      "convergence",
      "twin",
      "host",
      "protocol",
      "qemu",
      "negotiate",
      "migration",
      "plan",
      "evacuation",
      "schedule",
      "fleet-event",
      "webhook",
    ],
  },
  workflows: { imports: ["core"], packages: [], tests: ["asl-validator"] },
  functions: {
    imports: ["core"],
    packages: [
      "hono",
      "@asteasolutions/zod-to-openapi",
      "@hono/zod-openapi",
      "ipaddr.js",
      "pino",
      "zod",
      ...SDK,
    ],
    order: ["runtime", "http", "store", "service", "api", "agent-events", "task"],
  },
  qmp: { imports: [], packages: ["zod"] },
  agent: {
    imports: ["core", "qmp"],
    packages: ["@aws-sdk/client-sqs", "@smithy/signature-v4", "commander", "pino", "zod"],
    tests: ["emulators"],
    order: [
      "runtime",
      "durable",
      "command",
      "cloud",
      "storage",
      "guest",
      "hooks",
      "twin",
      "migrate",
      "probe",
      "discovery",
      "handlers",
      "check",
    ],
  },
  emulators: {
    imports: [],
    packages: ["@smithy/signature-v4", "dynalite", "jsonata", "pino", "zod", ...SDK],
    order: ["aws", "asl", "qemu"],
    tests: ["asl-validator"],
  },
  deployment: { imports: ["core", "workflows"], packages: [] },
  infra: { imports: ["core", "deployment", "functions"], packages: [] },
  local: {
    imports: ["core", "workflows", "functions", "deployment", "emulators"],
    packages: ["@hono/node-server", "commander", "hono", "pino", "zod", ...SDK],
  },
  client: { imports: ["core", "functions types"], packages: ["hono", "zod"] },
  cli: {
    imports: ["core", "client"],
    packages: ["@bomb.sh/tab", "commander", "log-update", "smol-toml"],
    tests: ["functions"],
  },
  rig: {
    imports: ["core", "client", "qmp", "agent", "local", "emulators"],
    packages: ["@aws-sdk/client-sfn", "@aws-sdk/client-sqs", "commander"],
  },
  dashboard: {
    imports: ["core", "client"],
    packages: ["@preact/signals", "preact", "uplot"],
    tests: ["vite"],
  },
  demo: {
    imports: ["core", "client", "rig", "scripts"],
    packages: ["@aws-sdk/client-sfn", "commander", "zod"],
  },
  bench: {
    imports: ["core", "client", "rig", "qmp", "emulators", "scripts"],
    packages: ["commander", "zod", "@aws-sdk/client-sfn"],
  },
  cost: { imports: ["core"], packages: ["commander"] },
  scripts: { imports: ["core", "functions", "cli"], packages: ["rolldown", "vite"] },
  test: {
    imports: [
      "core",
      "workflows",
      "functions",
      "deployment",
      "infra",
      "cost",
      "qmp",
      "agent",
      "emulators",
      "local",
      "client",
      "cli",
      "dashboard",
      "rig",
      "demo",
      "scripts",
    ],
    packages: ["*"],
  },
};

/** Files that may ask the machine for time or chance where their folder may not. */
export const impureFiles: Readonly<Record<string, string>> = {
  "emulators/qemu/clock.ts": "the real clock, for the model as a process",
  "emulators/qemu/main.ts": "the process around the model",
};

/** Files that import each other, each group with the reason why it stays so. */
export const allowedCircles: readonly {
  readonly files: readonly string[];
  readonly why: string;
}[] = [];
