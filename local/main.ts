import { join, resolve } from "node:path";
import { pino } from "pino";
import { replaceFile } from "../emulators/asl/store/replace-file.ts";
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
import { listenOf, OptionsError, parseOptions } from "./options.ts";
import { TlsError } from "./tls-files.ts";

const options = parseOptions();
const log = pino(
  { name: "switchyard-local", level: process.env.LOG_LEVEL ?? "warn" },
  pino.destination({ dest: 2, sync: true }),
);

// Whatever is written is readable by this user only.
process.umask(0o077);

try {
  const listen = listenOf(options);
  const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir);
  const folder = dataDir === undefined ? undefined : openDataFolder(dataDir, storedServices());
  process.once("exit", () => folder?.close());
  const operatorToken = folder?.operatorToken ?? makeToken();
  const cloud = await startLocalCloud({
    name: options.name,
    port: options.port,
    folder,
    flush: options.flush,
    listen,
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
  const { apiUrl, publicUrl, dashboardUrl, agentEnvironment, environment } = cloud;
  if (options.readyFile !== undefined) {
    const ready = { apiUrl, publicUrl, dashboardUrl, operatorToken, agentEnvironment, environment };
    replaceFile(options.readyFile, JSON.stringify(ready), { flush: false });
  }
  const lines = Object.entries(agentEnvironment).map(([name, value]) => `${name}=${value}`);
  console.log(`Switchyard's local control plane is ready: ${apiUrl}`);
  if (publicUrl !== undefined) console.log(`For other machines: ${publicUrl}`);
  console.log(`Operations of the API: ${apiUrl}${API_PAGE}`);
  if (isDashboardBuilt()) console.log(`Dashboard (the link signs in once): ${dashboardUrl}`);
  if (dataDir === undefined) {
    console.log(`Operator token: ${operatorToken}`);
    console.log("Environment of agents (see docs/operate/install.md for their configuration):");
    for (const line of lines) console.log(`  ${line}`);
  } else {
    const agentFile = join(dataDir, dataFiles.agentEnvironment);
    replaceFile(agentFile, `${lines.join("\n")}\n`, { flush: false });
    const tokenFile = join(dataDir, dataFiles.operatorToken);
    console.log(`Operator token: ${tokenFile}`);
    console.log(`Log in: npx switchyard login --url ${apiUrl} --token-file ${tokenFile}`);
    console.log(`Environment of agents: ${agentFile} (see docs/operate/install.md)`);
  }
  console.log("Press Ctrl-C to stop; guests run on.");
} catch (error) {
  if (isForUser(error)) console.error(`switchyard-local: ${error.message}`);
  else log.fatal({ err: error }, error instanceof Error ? error.message : String(error));
  process.exit(1);
}

function isForUser(error: unknown): error is Error {
  return [DataFolderError, OptionsError, TlsError].some((kind) => error instanceof kind);
}

function isHttpWanted(value: string | undefined): boolean {
  if (value === undefined || value === "" || value === "0") return false;
  if (value === "1") return true;
  throw new OptionsError(`Expected SWITCHYARD_LOCAL_HTTP to be 0 or 1, got \`${value}\``);
}
