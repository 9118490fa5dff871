import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import { startLocalCloud } from "./cloud.ts";

const program = new Command("switchyard-local")
  .description("Runs the whole control plane on this machine, on loopback only, until stopped")
  .option("-p, --port <number>", "port of the API; the AWS services take the next four", port, 8420)
  .option("-d, --data-dir <folder>", "keep all state there, so that a restart loses nothing")
  .option("--ready-file <file>", "write addresses and the operator token there once all is up")
  .addHelpText(
    "after",
    `
The operator token is made at the first start. With --data-dir it is kept in
<folder>/operator-token (readable by you only), otherwise it is printed.
AWS_ENDPOINT_URL_DYNAMODB, _SQS, _SFN or _LAMBDA: use that endpoint in place of our own.`,
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
    log,
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void cloud.close());
  }
  const { apiUrl, agentEnvironment, environment } = cloud;
  if (options.readyFile !== undefined) {
    writeWhole(options.readyFile, { apiUrl, operatorToken, agentEnvironment, environment });
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

/** Whoever waits for the file sees nothing or all of it. */
function writeWhole(path: string, content: object): void {
  writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function port(text: string): number {
  const value = Number(text);
  // The services take the four ports after it.
  if (Number.isInteger(value) && value >= 0 && value <= 65_531) return value;
  throw new InvalidArgumentError(`Expected a port from 0 (any) to 65531, got \`${text}\`.`);
}
