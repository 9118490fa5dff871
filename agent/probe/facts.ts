import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { HostFacts } from "../../core/protocol/host.ts";
import { whyNotListening } from "../migrate/link/port-range.ts";
import { tlsKinds } from "../migrate/tls.ts";
import type { AgentConfig } from "../runtime/config.ts";
import { bootId } from "../runtime/process.ts";
import { AGENT_VERSION } from "../runtime/version.ts";
import type { BinaryDescription } from "./binary.ts";
import { accelerators, userfaultfd } from "./host.ts";
import { linkOf } from "./link.ts";

/** What this host is, as it registers. */
export async function hostFacts(
  config: AgentConfig,
  { probe: qemu, sandbox }: BinaryDescription,
): Promise<HostFacts> {
  const cannotListen = await whyNotListening(config.migrationPorts, config.migrationAddress);
  const cpu = cpuOf(readCpuInfo());
  const sendsBy = tlsKinds("source", qemu.tlsCredentials, config.tls);
  return {
    agentVersion: AGENT_VERSION,
    bootId: bootId(),
    sandbox,
    migrationAddress: config.migrationAddress,
    memoryBytes: config.memoryBytes,
    qemu,
    kernel: release(),
    ...(cpu === undefined ? {} : { cpu }),
    accelerators: accelerators(),
    userfaultfd: userfaultfd(),
    linkBytesPerSecond: linkOf(config),
    resources: Object.keys(config.resources).sort(),
    tls: tlsKinds("target", qemu.tlsCredentials, config.tls).filter((kind) =>
      sendsBy.includes(kind),
    ),
    hooks: config.hooks.preSwitchover === undefined ? [] : ["preSwitchover"],
    ...(cannotListen === undefined ? {} : { cannotListen }),
  };
}

function readCpuInfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}

/** Of the first CPU in /proc/cpuinfo; undefined where it names no model, as on some architectures. */
export function cpuOf(cpuInfo: string): HostFacts["cpu"] {
  const field = (name: string) => new RegExp(`^${name}\\s*: *(.+)$`, "m").exec(cpuInfo)?.[1];
  const model = field("model name");
  const microcode = field("microcode");
  if (model === undefined) return undefined;
  return { model: model.slice(0, 128), ...(microcode === undefined ? {} : { microcode }) };
}
