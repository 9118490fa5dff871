import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { QemuProbe } from "../../core/protocol/probe.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { type BinaryDescription, describeBinary } from "../probe/binary.ts";
import type { AgentConfig } from "../runtime/config.ts";
import { type Finding, messageOf, ok, warning, wrong } from "./finding.ts";

/** The QEMU versions that the project knows: docs/internals/qemu-versions.md. */
const oldest = { major: 7, minor: 2 };
const newest = { major: 11, minor: 1 };
const withAck = { major: 8, minor: 1 };

type Version = { readonly major: number; readonly minor: number };

/** Starts the QEMU of new guests once, without a guest. What it finds is not kept. */
export async function checkQemu(config: AgentConfig): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-check-"));
  try {
    const description = await describeBinary(config.qemu, folder);
    return [versionFinding(description.probe), sandboxFinding(description, config)];
  } catch (error) {
    const cure =
      error instanceof CommandRefusedError
        ? "install QEMU 7.2 to 11.1, or set `qemu`"
        : "it was started and did not answer in time: try again when the host is less busy";
    return [wrong("qemu", messageOf(error), cure)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function versionFinding(probe: Pick<QemuProbe, "version" | "binary" | "traceLog">): Finding {
  const { version } = probe;
  const [path = ""] = probe.binary.split(" ");
  const name = `QEMU ${version.major}.${version.minor}.${version.micro}, ${path}`;
  if (isBefore(version, oldest)) {
    return wrong("qemu", `${name}: older than 7.2`, "install QEMU 7.2 or newer, or set `qemu`");
  }
  if (isBefore(newest, version)) {
    const cure = "use QEMU 11.1 or older until Switchyard knows this one";
    return warning("qemu", `${name}: newer than 11.1, the newest that was tried`, cure);
  }
  if (isBefore(version, withAck)) {
    const cure = "install QEMU 8.1 or newer where guests have VFIO devices";
    return warning("qemu", `${name}: has no switchover ACK`, cure);
  }
  if (probe.traceLog === false) {
    const cure = "use a QEMU that is built with the trace backend `log`";
    return warning("qemu", `${name}: its switchover ACK cannot be seen in its log`, cure);
  }
  return ok("qemu", name);
}

function sandboxFinding({ sandbox }: BinaryDescription, { requireSandbox }: AgentConfig): Finding {
  if (sandbox) return ok("sandbox", "guests run in QEMU's seccomp sandbox");
  const found = "QEMU starts without its seccomp sandbox on this host";
  const cure = "install a QEMU that is built with seccomp, and allow seccomp filters on this host";
  if (!requireSandbox) return warning("sandbox", found, cure);
  return wrong("sandbox", found, `${cure}; or set \`requireSandbox\` to false`);
}

function isBefore(one: Version, other: Version): boolean {
  return one.major < other.major || (one.major === other.major && one.minor < other.minor);
}
