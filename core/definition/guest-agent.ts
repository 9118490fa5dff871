import type { VmDefinition } from "../vm.ts";

/** The name by which qemu-ga finds its port (QEMU docs/interop/qemu-ga.rst). */
const PORT_NAME = "org.qemu.guest_agent.0";

export function isGuestAgentPort(device: Readonly<Record<string, unknown>>): boolean {
  return device.name === PORT_NAME;
}

/** The id of the chardev that is the guest agent's channel; undefined: the guest has none. */
export function guestAgentChardev({ devices }: Pick<VmDefinition, "devices">): string | undefined {
  const port = devices.find(isGuestAgentPort);
  return typeof port?.chardev === "string" ? port.chardev : undefined;
}
