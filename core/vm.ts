import { z } from "zod";
import { hasBadPlaceholder } from "./host-resources.ts";
import { HostId, MigrationId, VmId } from "./id.ts";
import { DEFINITION_BYTES_MAX, DEFINITION_PART_BYTES_MAX, jsonBytes } from "./size-limits.ts";
import { VmState } from "./vm-state.ts";

/** A QAPI object given to QEMU as JSON (`-device`, `-blockdev`, `-object`). */
const qapiObject = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/), z.json())
  .refine((value) => !hasBadPlaceholder(value), 'expected {"$host": "<name>"} and nothing beside')
  .refine(
    (value) => jsonBytes(value) <= DEFINITION_PART_BYTES_MAX,
    `expected at most ${DEFINITION_PART_BYTES_MAX} bytes of JSON`,
  );

/**
 * What a guest is made of. One definition starts the guest on any host, so everything in it must mean
 * the same on each (shared disks, device properties); a placeholder names what differs
 * (host-resources.ts). Values go to QEMU as JSON, never through a shell.
 */
export const VmDefinition = z
  .strictObject({
    /** Machine type. An alias (`pc`, `q35`) is resolved to its versioned name when the guest starts. */
    machine: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
      .max(64)
      .default("pc"),
    /** Properties of the machine (`-machine pc,acpi=off`). */
    machineOptions: z
      .record(
        z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]*$/),
        z.union([z.boolean(), z.string().regex(/^[A-Za-z0-9_.:+-]{1,256}$/)]),
      )
      .optional(),
    /** `tcg` works on any host; `kvm` needs /dev/kvm. */
    accelerator: z.enum(["tcg", "kvm"]).default("tcg"),
    /** QEMU CPU model; absent: the machine type's default. */
    cpuModel: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._,+=-]*$/)
      .max(256)
      .optional(),
    cpus: z.int().min(1).max(1024).default(1),
    memoryBytes: z
      .int()
      .min(1 << 20)
      .max(2 ** 46)
      .multipleOf(1 << 20, "expected a multiple of 1 MiB"),
    uuid: z.uuid().optional(),
    blockdevs: z.array(qapiObject).max(64).default([]),
    devices: z
      .array(
        qapiObject.refine((device) => typeof device.driver === "string", "expected a `driver`"),
      )
      .max(256)
      .default([]),
    objects: z.array(qapiObject).max(64).default([]),
    /** `-global driver.property=value` */
    globals: z
      .array(z.string().regex(/^[A-Za-z0-9_.-]+\.[A-Za-z0-9_.-]+=[A-Za-z0-9_.,:-]*$/))
      .max(64)
      .default([]),
  })
  .refine(
    (definition) => jsonBytes(definition) <= DEFINITION_BYTES_MAX,
    `expected at most ${DEFINITION_BYTES_MAX} bytes of JSON`,
  );
export type VmDefinition = z.infer<typeof VmDefinition>;

/** Where a VM runs, and which migration holds it. */
export const Vm = z.strictObject({
  id: VmId,
  definition: VmDefinition,
  host: HostId,
  /** `running` is a guest that was seen running; `unknown` needs a person. See VmState. */
  state: VmState,
  /** Since when the VM is in this state. */
  stateSince: z.iso.datetime().optional(),
  /** QEMU's run state of the guest, as its host reported it last; absent without a process. */
  runState: z.string().optional(),
  /** Fencing number: grows each time the lock is taken; agents refuse commands of lower ones. */
  epoch: z.int().nonnegative(),
  lockedBy: MigrationId.optional(),
  /** Why it is in this state, where its host or a person gave a reason. */
  detail: z.string().optional(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});
export type Vm = z.infer<typeof Vm>;
