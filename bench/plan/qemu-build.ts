import type { QemuProbe } from "../../core/protocol/probe.ts";
import { capabilitiesOf } from "../../core/qemu/capability-rules.ts";
import { parameters } from "../../core/qemu/parameters.ts";
import { existsIn } from "../../core/qemu/version.ts";

export const MACHINE = "pc-q35-10.0";

/** A full build of QEMU 10.0, as an agent reports it. */
export function qemuBuild(): QemuProbe {
  const version = { major: 10, minor: 0, micro: 2, package: "" };
  const present = parameters.filter(
    (parameter) => existsIn(parameter, version) && parameter.name !== "block-bitmap-mapping",
  );
  return {
    binary: "/usr/bin/qemu-system-x86_64",
    version,
    architecture: "x86_64",
    capabilities: capabilitiesOf(version),
    parameters: Object.fromEntries(present.map((entry) => [entry.name, entry.default])),
    machines: [{ name: MACHINE, alias: "q35", deprecated: false }],
    multifdCompression: ["none", "zlib", "zstd"],
    exitOnError: true,
    vfioProperties: [],
    traceLog: true,
  };
}
