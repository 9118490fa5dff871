import type { ParameterValue, VfioDevice } from "../protocol/probe.ts";
import { versionText } from "../qemu/version.ts";
import type { Blocker } from "./agreement.ts";
import type { BothSides } from "./sides.ts";

/** VFIO devices that the target cannot build as they are. */
export function vfioBlockers({ source, target, definition }: BothSides): Blocker[] {
  const version = versionText(target.qemu.version);
  const has = new Set(target.qemu.vfioProperties);
  if (source.vfioDevices.length > 0 && has.size === 0) {
    return source.vfioDevices.map(({ id, type }) => ({
      code: "vfio-missing",
      field: "target.qemu.vfioProperties",
      message: `The guest has the VFIO device ${id} (${type}), and the target's QEMU ${version} has no such type`,
      cure: "Choose a host with a QEMU that was built with VFIO, or detach the device",
    }));
  }
  const lacking = source.vfioDevices.flatMap((device) =>
    setProperties(device, definition.devices)
      .filter((property) => !has.has(property))
      .map((property) => ({ device, property })),
  );
  return lacking.map(({ device, property }) => ({
    code: "vfio-property-missing",
    field: "target.qemu.vfioProperties",
    message: `The VFIO device ${device.id} sets \`${property}\`, which the target's QEMU ${version} does not know`,
    cure: `Choose a host with a QEMU that knows it, or restart the guest without \`${property}\``,
  }));
}

/** A device whose state must go over multifd channels, when there are none that can take it. */
export function multifdTransferBlockers(
  { source }: BothSides,
  on: ReadonlySet<string>,
  compression: ParameterValue | undefined,
): Blocker[] {
  if (on.has("multifd") && (compression ?? "none") === "none") return [];
  return source.vfioDevices
    .filter(({ properties }) => isOn(properties["x-migration-multifd-transfer"]))
    .map(({ id }) => ({
      code: "vfio-needs-multifd",
      field: "policy.capabilities.multifd",
      message: `${id}: Multifd device transfer requested but unsupported in the current config (x-migration-multifd-transfer is on)`,
      cure: "Require `multifd` without multifd-compression, or set the property to auto or off",
    }));
}

const isOn = (value: ParameterValue | undefined) => value === true || value === "on";

/** Properties that change the stream when they are set: the target must know them. */
const streamProperties = ["x-migration-multifd-transfer", "x-migration-load-config-after-iter"];
const migrationProperty = /migration|pre-copy|dirty-page-tracking/;

/** Migration properties that the definition sets, or that change the stream; not QEMU's defaults. */
function setProperties(
  { id, properties }: VfioDevice,
  devices: BothSides["definition"]["devices"],
) {
  const defined = devices.find((device) => device.id === id);
  const names = Object.keys(defined ?? {}).filter((name) => migrationProperty.test(name));
  const forced = streamProperties.filter((name) => isOn(properties[name]));
  return [...new Set([...names, ...forced])];
}
