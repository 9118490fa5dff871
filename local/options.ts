import { isIP } from "node:net";
import { Command, InvalidArgumentError, Option } from "commander";
import { isLoopback } from "../emulators/aws/http/loopback.ts";
import { type Receivers, receiverKinds } from "../functions/runtime/receiver-kinds.ts";
import type { Listen } from "./gateways.ts";
import { readTlsFiles } from "./tls-files.ts";

const LISTEN_PORT = 8443;

export type Options = {
  port: number;
  name: string;
  webhookReceivers: Receivers;
  dataDir?: string;
  readyFile?: string;
  flush: boolean;
  listen?: string;
  listenPort: number;
  publicUrl?: string;
  tlsCert?: string;
  tlsKey?: string;
};

/** Options that contradict each other; the message says what to do. */
export class OptionsError extends Error {
  override name = "OptionsError";
}

export function parseOptions(): Options {
  return new Command("switchyard-local")
    .description("Runs the whole control plane on this machine until stopped, on loopback only")
    .option(
      "-p, --port <number>",
      "port of the API; the AWS services take the next five",
      port,
      8420,
    )
    .option("-d, --data-dir <folder>", "keep all state there, so that a restart loses nothing")
    .option(
      "--no-flush",
      "do not wait for the disk: faster, but a power cut loses the last changes",
    )
    .option(
      "-l, --listen <address>",
      "serve API and hosts' queues to other machines there",
      address,
    )
    .option("--listen-port <number>", "port for other machines", listenPort, LISTEN_PORT)
    .option("--public-url <url>", "as other machines reach it; default: address and port", origin)
    .option("--tls-cert <file>", "certificate with its chain (PEM); needed off loopback")
    .option("--tls-key <file>", "its key (PEM)")
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
    .addHelpText("after", HELP)
    .parse()
    .opts<Options>();
}

const HELP = `
The operator token and the access key of the services are created at the first start. With
--data-dir they are kept in <folder>/operator-token and <folder>/agent.env (readable by you only),
otherwise they are printed.

With --listen, agents and operators of other machines reach the API, and each host its own queue;
nothing else of this process: docs/operate/several-hosts.md.

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
  REQUESTS_PER_SECOND_MAX
      requests of one host, or reads with one token, in a second, five times as many at once
      (default: 200; 0: any number); half of it for changes, a fortieth for plans
  SWITCHYARD_LOCAL_HTTP=1
      call every service over HTTP with signatures, as on AWS; by default the functions call
      DynamoDB, SQS and Step Functions, and Step Functions the functions, within this process`;

/**
 * Where other machines are served; reads the certificate's files.
 *
 * @throws OptionsError, TlsError
 */
export function listenOf(options: Options): Listen | undefined {
  const { listen, listenPort: port, publicUrl, tlsCert, tlsKey, dataDir } = options;
  if (listen === undefined) {
    if (tlsCert === undefined && tlsKey === undefined && publicUrl === undefined) return undefined;
    throw new OptionsError("--tls-cert, --tls-key and --public-url need --listen ADDRESS");
  }
  if (dataDir === undefined) {
    throw new OptionsError("--listen needs --data-dir: without it a restart would lose every host");
  }
  if (tlsCert === undefined && tlsKey === undefined && isLoopback(listen)) {
    return { address: listen, port, publicUrl };
  }
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new OptionsError(
      `--listen ${listen} needs --tls-cert and --tls-key: tokens and commands go over that network. ` +
        "Without TLS only a loopback address can be listened on",
    );
  }
  const name = publicUrl === undefined ? listen : new URL(publicUrl).hostname;
  if (publicUrl === undefined && (listen === "0.0.0.0" || listen === "::")) {
    throw new OptionsError(`--listen ${listen} needs --public-url: agents cannot connect to it`);
  }
  if (publicUrl !== undefined && !publicUrl.startsWith("https:")) {
    throw new OptionsError(`Expected --public-url to be an https URL, got ${publicUrl}`);
  }
  const tls = readTlsFiles({ certFile: tlsCert, keyFile: tlsKey }, name.replace(/^\[|\]$/g, ""));
  return { address: listen, port, publicUrl, tls };
}

function address(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new InvalidArgumentError(
    `Expected an IPv4 or IPv6 address of this machine, got \`${text}\`.`,
  );
}

function origin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url?.pathname === "/" && url.search === "" && url.username === "";
  if (isOrigin && /^https?:$/.test(url.protocol)) return url.origin;
  throw new InvalidArgumentError(`Expected a URL of scheme, host and port, got \`${text}\`.`);
}

function installationName(text: string): string {
  // Names of queues begin with it, and have at most 80 characters.
  if (/^[a-z][a-z0-9-]{0,9}$/.test(text)) return text;
  const rule = "1 to 10 lower-case letters, digits and hyphens, beginning with a letter";
  throw new InvalidArgumentError(`Expected ${rule}, got \`${text}\`.`);
}

// The services take the five ports after it.
const port = (text: string) => portUpTo(65_530, text);
const listenPort = (text: string) => portUpTo(65_535, text);

function portUpTo(max: number, text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new InvalidArgumentError(`Expected a port from 0 (any) to ${max}, got \`${text}\`.`);
}
