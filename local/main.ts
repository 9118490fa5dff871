import { join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { pino } from "pino";
import { replaceFile } from "../emulators/asl/store/replace-file.ts";
import { type Receivers, receiverKinds } from "../functions/runtime/receiver-kinds.ts";
import { API_PAGE } from "./api-page.ts";
import { startLocalCloud, storedServices } from "./cloud.ts";
import { isDashboardBuilt } from "./dashboard.ts";
import {
  DataFolderError,
  dataFiles,
  makeAccessKey,
  makeSigningKey,
  makeToken,
  openDataFolder,
} from "./data-folder.ts";

const program = new Command("switchyard-local")
  .description("Runs the whole control plane on this machine, on loopback only, until stopped")
  .option("-p, --port <number>", "port of the API; the AWS services take the next five", port, 8420)
  .option("-d, --data-dir <folder>", "keep all state there, so that a restart loses nothing")
  .addOption(
    new Option("-n, --name <name>", "of the installation: its table, queues, state machines")
      .env("SWITCHYARD_NAME")
      .default("switchyard")
      .argParser(installationName),
  )
  .addOption(
    new Option(
      "--webhook-receivers <addresses>",
      "deliver webhooks to private or loopback addresses, too; http to loopback only",
    )
      .choices(receiverKinds)
      .default("public"),
  )
  .option("--ready-file <file>", "write addresses and the operator token there once all is up")
  .addHelpText(
    "after",
    `
The operator token and the access key of the services are created at the first start. With
--data-dir they are kept in <folder>/operator-token and <folder>/agent.env (readable by you only),
otherwise they are printed.

Environment:
  AWS_ENDPOINT_URL_DYNAMODB, _SQS, _SFN, _LAMBDA or _SCHEDULER
      use that endpoint in place of the built-in service; another Step Functions must reach the
      functions at the API's port + 4
  AWS_REGION
      region of all services (default: us-east-1)
  AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
      the one access key that the built-in services accept (default: made at the first start)
  COMMAND_SIGNING_KEY
      the Ed25519 key that commands are signed with: PKCS#8, DER, base64 (default: made at the
      first start)
  SWITCHYARD_LOCAL_HTTP=1
      call every service over HTTP with signatures, as on AWS; by default the functions call
      DynamoDB, SQS and Step Functions, and Step Functions the functions, within this process`,
  )
  .parse();

type Options = {
  port: number;
  name: string;
  webhookReceivers: Receivers;
  dataDir?: string;
  readyFile?: string;
};
const options = program.opts<Options>();
const log = pino(
  { name: "switchyard-local", level: process.env.LOG_LEVEL ?? "warn" },
  pino.destination({ dest: 2, sync: true }),
);

// Whatever is written is readable by this user only.
process.umask(0o077);

try {
  const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir);
  const folder = dataDir === undefined ? undefined : openDataFolder(dataDir, storedServices());
  process.once("exit", () => folder?.close());
  const operatorToken = folder?.operatorToken ?? makeToken();
  const cloud = await startLocalCloud({
    name: options.name,
    port: options.port,
    folder,
    operatorToken,
    accessKey: folder?.accessKey ?? makeAccessKey(),
    signingKey: folder?.signingKey ?? makeSigningKey(),
    transport: isHttpWanted(process.env.SWITCHYARD_LOCAL_HTTP) ? "http" : "in-process",
    webhookReceivers: options.webhookReceivers,
    log,
  });
  folder?.complete();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void cloud.close());
  }
  const { apiUrl, dashboardUrl, agentEnvironment, environment } = cloud;
  if (options.readyFile !== undefined) {
    const ready = { apiUrl, dashboardUrl, operatorToken, agentEnvironment, environment };
    replaceFile(options.readyFile, JSON.stringify(ready), { flush: false });
  }
  const lines = Object.entries(agentEnvironment).map(([name, value]) => `${name}=${value}`);
  console.log(`Switchyard's local control plane is ready: ${apiUrl}`);
  console.log(`Operations of the API: ${apiUrl}${API_PAGE}`);
  if (isDashboardBuilt()) console.log(`Dashboard (the link signs in once): ${dashboardUrl}`);
  if (dataDir === undefined) {
    console.log(`Operator token: ${operatorToken}`);
    console.log("Environment of agents (see docs/operate/install.md for their configuration):");
    for (const line of lines) console.log(`  ${line}`);
  } else {
    const agentFile = join(dataDir, dataFiles.agentEnvironment);
    replaceFile(agentFile, `${lines.join("\n")}\n`, { flush: false });
    console.log(`Operator token: ${join(dataDir, dataFiles.operatorToken)}`);
    console.log(`Environment of agents: ${agentFile} (see docs/operate/install.md)`);
  }
  console.log("Press Ctrl-C to stop; guests run on.");
} catch (error) {
  if (error instanceof DataFolderError) console.error(`switchyard-local: ${error.message}`);
  else log.fatal({ err: error }, error instanceof Error ? error.message : String(error));
  process.exit(1);
}

function isHttpWanted(value: string | undefined): boolean {
  if (value === undefined || value === "" || value === "0") return false;
  if (value === "1") return true;
  throw new Error(`Expected SWITCHYARD_LOCAL_HTTP to be 0 or 1, got \`${value}\``);
}

function installationName(text: string): string {
  // Names of queues begin with it, and have at most 80 characters.
  if (/^[a-z][a-z0-9-]{0,9}$/.test(text)) return text;
  const rule = "1 to 10 lower-case letters, digits and hyphens, beginning with a letter";
  throw new InvalidArgumentError(`Expected ${rule}, got \`${text}\`.`);
}

function port(text: string): number {
  const value = Number(text);
  // The services take the five ports after it.
  if (Number.isInteger(value) && value >= 0 && value <= 65_530) return value;
  throw new InvalidArgumentError(`Expected a port from 0 (any) to 65530, got \`${text}\`.`);
}
