import { readKeys } from "../migration/tls.ts";
import type { Qemu } from "../qemu.ts";
import { QmpError } from "../qmp/command.ts";
import type { JsonObject } from "../qmp/text.ts";

type Kind = "str" | "bool" | "endpoint";

const common: Readonly<Record<string, Kind>> = {
  dir: "str",
  endpoint: "endpoint",
  priority: "str",
  "verify-peer": "bool",
};

/** The properties of each type, as 10.0 has them. */
const credentials: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  "tls-creds-x509": { ...common, passwordid: "str", "sanity-check": "bool" },
  "tls-creds-psk": { ...common, username: "str" },
  "tls-creds-anon": common,
};

const PARENT = "tls-creds";

/** In the order of 10.0, which is that of a hash table. */
const listed = ["tls-creds-x509", "tls-creds-psk", "tls-cipher-suites", "tls-creds-anon"].map(
  (name): JsonObject => ({ name, parent: PARENT }),
);

/** Answer of qom-list-types about the TLS types; undefined if `type` is not one. */
export function listCredentialTypes(
  type: string,
  withAbstract: boolean,
): readonly JsonObject[] | undefined {
  if (type === PARENT) {
    return withAbstract ? [...listed, { abstract: true, name: PARENT, parent: "object" }] : listed;
  }
  const own = listed.filter(({ name }) => name === type);
  return own.length === 0 ? undefined : own;
}

/**
 * Checks new TLS credentials. Returns what a client reads at once and presents at every handshake;
 * undefined for a server, which reads its file when it needs it, and for other objects. Certificate
 * files must exist; their content is not checked.
 *
 * @throws QmpError
 */
export function makeCredentials(
  qemu: Qemu,
  type: string,
  properties: JsonObject,
): string | undefined {
  const kinds = credentials[type];
  if (kinds === undefined) return undefined;
  for (const [name, value] of Object.entries(properties)) checkKind(name, kinds[name], value);
  const isServer = properties.endpoint === "server";
  if (type === "tls-creds-anon") return isServer ? undefined : type;
  if (properties.dir === undefined) throw new QmpError("Missing 'dir' property value");
  const read = (name: string): string => readFile(qemu, `${properties.dir}/${name}`);
  if (type === "tls-creds-x509") {
    const authority = read("ca-cert.pem");
    if (!isServer) return authority;
    read("server-cert.pem");
    read("server-key.pem");
    return undefined;
  }
  if (isServer && properties.username !== undefined) {
    throw new QmpError("username should not be set when endpoint=server");
  }
  const content = read("keys.psk");
  if (isServer) return undefined;
  const user = properties.username ?? "qemu";
  const key = readKeys(content).find((line) => line.startsWith(`${user}:`));
  if (key !== undefined) return key;
  throw new QmpError(`Username ${user} not found in PSK file ${properties.dir}/keys.psk`);
}

function readFile(qemu: Qemu, path: string): string {
  const content = qemu.host.readFile(path);
  if (content !== undefined) return content;
  throw new QmpError(`Unable to access credentials ${path}: No such file or directory`);
}

function checkKind(name: string, kind: Kind | undefined, value: unknown): void {
  if (kind === undefined) throw new QmpError(`Parameter '${name}' is unexpected`);
  // On the command line all values are texts.
  if (kind === "bool" && (typeof value === "boolean" || value === "on" || value === "off")) return;
  if (kind === "bool" || typeof value !== "string") {
    const expected = kind === "bool" ? "boolean" : "string";
    throw new QmpError(`Invalid parameter type for '${name}', expected: ${expected}`);
  }
  if (kind === "endpoint" && value !== "client" && value !== "server") {
    throw new QmpError(`Parameter '${name}' does not accept value '${value}'`);
  }
}
