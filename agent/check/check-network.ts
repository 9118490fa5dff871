import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { whyNotListening } from "../migrate/link/port-range.ts";
import { certificateFiles } from "../migrate/tls.ts";
import type { AgentConfig } from "../runtime/config.ts";
import { type Finding, messageOf, ok, warning, wrong } from "./finding.ts";

const DAY_MS = 86_400_000;
const RENEW_DAYS = 14;
const sides = ["source", "target"] as const;

export async function checkNetwork(config: AgentConfig): Promise<Finding[]> {
  return [await portsFinding(config), tlsFinding(config, Date.now())];
}

async function portsFinding({
  migrationPorts: range,
  migrationAddress: address,
}: AgentConfig): Promise<Finding> {
  const ports = range.min === 0 ? "any free port" : `ports ${range.min} to ${range.max}`;
  const why = await whyNotListening(range, address);
  if (why !== undefined) {
    const cure =
      "set `migrationAddress` to an address of this host, and `migrationPorts` to free ports";
    return wrong("ports", `no migration can come to ${address}: ${why}`, cure);
  }
  if (isLoopback(address)) {
    const found = `${address}, ${ports}: only agents of this machine reach it`;
    const cure = "set `migrationAddress` to this host's address on the migration network";
    return warning("ports", found, cure);
  }
  return ok("ports", `${address}, ${ports}; the other hosts must reach them`);
}

function isLoopback(address: string): boolean {
  return isIP(address) === 4 ? address.startsWith("127.") : address === "::1";
}

/** The certificates of `policy.tls: x509`, for this host on either side. */
export function tlsFinding(
  { tls, migrationAddress }: Pick<AgentConfig, "tls" | "migrationAddress">,
  nowMs: number,
): Finding {
  if (tls === undefined) return ok("tls", "by a key of each migration; no certificates are named");
  const missing = sides
    .flatMap((side) => certificateFiles(side, tls.dir))
    .filter((path) => !existsSync(path));
  if (missing.length > 0) {
    const found = `there is no ${[...new Set(missing)].join(", ")}`;
    return wrong("tls", found, "put the certificates there, or remove `tls`: docs/operate/tls.md");
  }
  try {
    return certificatesFinding(tls.dir, migrationAddress, nowMs);
  } catch (error) {
    return wrong("tls", messageOf(error), "put a PEM certificate there that the agent may read");
  }
}

/** @throws Error when a file cannot be read, or is no certificate */
function certificatesFinding(dir: string, address: string, nowMs: number): Finding {
  const own = sides.map((side) => certificateFiles(side, dir)[1] ?? "");
  const paths = [`${dir}/ca-cert.pem`, ...own];
  const all = paths.map((path) => ({ path, certificate: read(path) }));
  for (const { path, certificate } of all) {
    const days = (Date.parse(certificate.validTo) - nowMs) / DAY_MS;
    const renewal = `renew ${path} in place`;
    if (days < 0) return wrong("tls", `${path} expired on ${certificate.validTo}`, renewal);
    if (days < RENEW_DAYS) {
      return warning("tls", `${path} expires on ${certificate.validTo}`, renewal);
    }
  }
  const server = all.at(-1)?.certificate;
  if (server?.checkIP(address) === undefined) {
    const found = `server-cert.pem does not name ${address}, which sources connect to`;
    const cure = "issue it with that address, or give policies `parameters.tls-hostname`";
    return warning("tls", found, cure);
  }
  return ok("tls", `by a key of each migration, or by the certificates in ${dir}`);
}

function read(path: string): X509Certificate {
  try {
    return new X509Certificate(readFileSync(path));
  } catch (cause) {
    throw new Error(`Failed to read ${path}`, { cause });
  }
}
