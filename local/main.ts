import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import { replaceFile } from "../emulators/asl/store/replace-file.ts";
import { startLocalCloud, storedServices } from "./cloud.ts";
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
  .option("-p, --port <number>", "port of the API; the AWS services take the next four", port, 8420)
  .option("-d, --data-dir <folder>", "keep all state there, so that a restart loses nothing")
  .option("--ready-file <file>", "write addresses and the operator token there once all is up")
  .addHelpText(
    "after",
    `
The operator token and the access key of the services are created at the first start. With
--data-dir they are kept in <folder>/operator-token and <folder>/agent.env (readable by you only),
otherwise they are printed.

Environment:
  AWS_ENDPOINT_URL_DYNAMODB, _SQS, _SFN or _LAMBDA
      use that endpoint in place of the built-in service
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

type Options = { port: number; dataDir?: string; readyFile?: string };
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
    port: options.port,
    folder,
    operatorToken,
    accessKey: folder?.accessKey ?? makeAccessKey(),
    signingKey: folder?.signingKey ?? makeSigningKey(),
    transport: isHttpWanted(process.env.SWITCHYARD_LOCAL_HTTP) ? "http" : "in-process",
    log,
  });
  folder?.complete();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void cloud.close());
  }
  const { apiUrl, agentEnvironment, environment } = cloud;
  if (options.readyFile !== undefined) {
    const ready = { apiUrl, operatorToken, agentEnvironment, environment };
    replaceFile(options.readyFile, JSON.stringify(ready), { flush: false });
  }
  const lines = Object.entries(agentEnvironment).map(([name, value]) => `${name}=${value}`);
  console.log(`Switchyard's local control plane is ready: ${apiUrl}`);
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

function port(text: string): number {
  const value = Number(text);
  // The services take the four ports after it.
  if (Number.isInteger(value) && value >= 0 && value <= 65_531) return value;
  throw new InvalidArgumentError(`Expected a port from 0 (any) to 65531, got \`${text}\`.`);
}
