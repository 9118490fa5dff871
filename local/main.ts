import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import { replaceFile } from "../emulators/asl/store/replace-file.ts";
import { startLocalCloud } from "./cloud.ts";

const program = new Command("switchyard-local")
  .description("Runs the whole control plane on this machine, on loopback only, until stopped")
  .option("-p, --port <number>", "port of the API; the AWS services take the next four", port, 8420)
  .option("-d, --data-dir <folder>", "keep all state there, so that a restart loses nothing")
  .option("--ready-file <file>", "write addresses and the operator token there once all is up")
  .addHelpText(
    "after",
    `
The operator token is created at the first start. With --data-dir it is kept in
<folder>/operator-token (readable by you only), otherwise it is printed.

Environment:
  AWS_ENDPOINT_URL_DYNAMODB, _SQS, _SFN or _LAMBDA
      use that endpoint in place of the built-in service
  AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
      the one access key that the built-in services accept (default: local, local)
  SWITCHYARD_LOCAL_HTTP=1
      call every service over HTTP with signatures, as on AWS; by default the functions call
      DynamoDB, SQS and Step Functions, and Step Functions the functions, within this process`,
  )
  .parse();

type Options = { port: number; dataDir?: string; readyFile?: string };
const options = program.opts<Options>();
const log = pino(
  { name: "switchyard-local", level: process.env.LOG_LEVEL ?? "warn" },
  pino.destination({ dest: 2, sync: true }),
);

try {
  const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir);
  const operatorToken = readOrMakeToken(dataDir);
  const cloud = await startLocalCloud({
    port: options.port,
    operatorToken,
    transport: isHttpWanted(process.env.SWITCHYARD_LOCAL_HTTP) ? "http" : "in-process",
    log,
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void cloud.close());
  }
  const { apiUrl, agentEnvironment, environment } = cloud;
  if (options.readyFile !== undefined) {
    const ready = { apiUrl, operatorToken, agentEnvironment, environment };
    replaceFile(options.readyFile, JSON.stringify(ready), { flush: false });
  }
  console.log(`Switchyard's local control plane is ready: ${apiUrl}`);
  console.log(`Operator token: ${dataDir ? join(dataDir, "operator-token") : operatorToken}`);
  console.log("Environment of agents (see docs/operate/install.md for their configuration):");
  for (const [name, value] of Object.entries(agentEnvironment)) console.log(`  ${name}=${value}`);
  console.log("Press Ctrl-C to stop; guests run on.");
} catch (error) {
  log.fatal({ err: error }, error instanceof Error ? error.message : String(error));
  process.exit(1);
}

function readOrMakeToken(dataDir: string | undefined): string {
  const fresh = randomBytes(32).toString("base64url");
  if (dataDir === undefined) return fresh;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "operator-token");
  if (existsSync(path)) return readFileSync(path, "utf8").trim();
  writeFileSync(path, `${fresh}\n`, { mode: 0o600 });
  return fresh;
}

function isHttpWanted(value: string | undefined): boolean {
  if (value === undefined || value === "" || value === "0") return false;
  if (value === "1") return true;
  throw new Error(`Expected SWITCHYARD_LOCAL_HTTP to be 0 or 1, got \`${value}\``);
}

function port(text: string): number {
  const value = Number(text);
  // The services take the four ports after it.
  if (Number.isInteger(value) && value >= 0 && value <= 65_531) return value;
  throw new InvalidArgumentError(`Expected a port from 0 (any) to 65531, got \`${text}\`.`);
}
