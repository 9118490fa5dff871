import type { HostFacts } from "../../core/protocol/host.ts";
import { whyNotListening } from "../migrate/link/port-range.ts";
import { tlsKinds } from "../migrate/tls.ts";
import type { AgentConfig } from "../runtime/config.ts";
import { bootId } from "../runtime/process.ts";
import { AGENT_VERSION } from "../runtime/version.ts";
import type { BinaryDescription } from "./binary.ts";
import { accelerators, userfaultfd } from "./host.ts";
import { readHostCpu } from "./host-cpu.ts";
import { readMemoryFacts } from "./host-memory.ts";
import { linkOf } from "./link.ts";

/** What this host is, as it registers. */
export async function hostFacts(
  config: AgentConfig,
  { probe: qemu, sandbox, cpuModels }: BinaryDescription,
): Promise<HostFacts> {
  const cannotListen = await whyNotListening(config.migrationPorts, config.migrationAddress);
  const sendsBy = tlsKinds("source", qemu.tlsCredentials, config.tls);
  return {
    agentVersion: AGENT_VERSION,
    bootId: bootId(),
    sandbox,
    migrationAddress: config.migrationAddress,
    memoryBytes: config.memoryBytes,
    qemu,
    ...readHostCpu(),
    cpuModels,
    accelerators: accelerators(),
    memory: readMemoryFacts(config.resources, config.guestSlice === undefined),
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
