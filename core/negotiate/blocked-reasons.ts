/**
 * QEMU's `blocked-reasons` (QAPI schema, migration.json, MigrationInfo), as QEMU 7.2 to 11.1 words
 * them, with a cure for each. The texts are no interface of QEMU: an unknown one gets a general cure.
 */
const cures: readonly [RegExp, string][] = [
  [
    /Migration is disabled for VFIO device/,
    "Start the guest with the device's property enable-migration=on (x-enable-migration before QEMU 8.1)",
  ],
  [
    /VFIO migration is not supported in kernel|VFIO migration init failed/,
    "Bind the device to a VFIO driver that supports migration (a vendor driver instead of vfio-pci), or detach it",
  ],
  [
    /doesn't support device and IOMMU dirty tracking/,
    "Use a host whose IOMMU or device tracks dirty pages, or start the guest with enable-migration=on to accept the longer downtime",
  ],
  [
    /supported only if all of them support P2P migration/,
    "Detach all VFIO devices but one, or use devices that support P2P migration",
  ],
  [/vIOMMU enabled/, "Start the guest without a virtual IOMMU, or detach the VFIO devices"],
  [
    /large memory VM due to dirty tracking limitation/,
    "Give the guest less memory, or use an IOMMU backend that tracks dirty pages of all of it",
  ],
  [/non-migratable device/, "Detach that device, or use a QEMU version that can migrate it"],
  [
    /does not support live migration|format used by node/,
    "Use raw or qcow2 images, which can be opened by both hosts",
  ],
  [/invtsc|tsc/i, "Start the guest with a CPU without `invtsc`, or with a fixed `tsc-frequency`"],
];

export function cureOfBlockedReason(reason: string): string {
  const found = cures.find(([pattern]) => pattern.test(reason));
  return found?.[1] ?? "Remove what QEMU names from the guest, then migrate again";
}
