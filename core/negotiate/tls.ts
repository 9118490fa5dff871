import type { Blocker, Choice } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";
import { type BothSides, SIDES, type Side } from "./sides.ts";

/** Id of the credentials object that agents make in QEMU for one migration. */
export const TLS_OBJECT = "switchyard-tls";

/** Sides that cannot encrypt the stream in the way that the policy asks for. */
export function tlsBlockers(
  { source, target }: Pick<BothSides, "source" | "target">,
  { tls }: MigrationPolicy,
): Blocker[] {
  if (tls === "off") return [];
  const probes = { source, target };
  return SIDES.filter((side) => !probes[side].tls?.includes(tls)).map((side) => ({
    code: "tls-unavailable",
    field: `${side}.tls`,
    message: `policy.tls is \`${tls}\`, and the ${side} can do ${probes[side].tls?.join(" and ") || "no TLS"}`,
    cure:
      tls === "psk"
        ? `Use a QEMU with \`tls-creds-psk\` and a current agent on the ${side}, or set policy.tls to off on a trusted network`
        : `Name a folder with ${certificatesOf(side)} as \`tls.dir\` in the configuration of the ${side}'s agent, or use psk`,
  }));
}

function certificatesOf(side: Side): string {
  const part = side === "source" ? "client" : "server";
  return `ca-cert.pem, ${part}-cert.pem and ${part}-key.pem`;
}

/** Whether the guest's memory travels encrypted, for the record. */
export function explainTls({ tls, parameters }: MigrationPolicy): Choice[] {
  if (tls === "psk") {
    const reason = "asked for: TLS with a key of this migration only, which the agents make";
    return [{ subject: "tls", value: tls, reason }];
  }
  if (tls === "x509") {
    const reason = "asked for: TLS with the hosts' certificates, both sides are verified";
    return [{ subject: "tls", value: tls, reason }];
  }
  if (parameters["tls-creds"]) {
    const reason = "the policy names a credentials object that is in both QEMUs";
    return [{ subject: "tls", value: "tls-creds", reason }];
  }
  const reason = "off: anybody on the migration network can read the stream (policy.tls)";
  return [{ subject: "tls", value: "off", reason }];
}
