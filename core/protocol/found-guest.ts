import * as z from "zod";
import { VmId } from "../id.ts";

/** Who started a QEMU: an agent, libvirt, Proxmox, or anything else, such as a shell script. */
export const GuestOwner = z.enum(["switchyard", "libvirt", "proxmox", "shell"]);
export type GuestOwner = z.infer<typeof GuestOwner>;

/** A QMP monitor on a UNIX socket. QEMU serves one client at a time on each. */
export const FoundMonitor = z.strictObject({
  path: z.string().max(108),
  /** `free`: nobody is connected. `taken`: another client is. */
  state: z.enum(["free", "taken"]),
});
export type FoundMonitor = z.infer<typeof FoundMonitor>;

/** A QEMU that runs on a host, as its agent finds it in /proc. */
export const FoundGuest = z.strictObject({
  pid: z.int().positive(),
  owner: GuestOwner,
  /** The VM, where it is a guest of this agent. */
  vm: VmId.optional(),
  /** As `-name` has it. */
  name: z.string().max(255).optional(),
  binary: z.string().max(300),
  /** The user that it runs as, by number. */
  uid: z.int().nonnegative(),
  monitors: z.array(FoundMonitor).max(16),
  /** Whether it can be adopted as it runs. */
  adoptable: z.boolean(),
  /** Why not, and the way that works; of an adoptable guest, what its manager must be told. */
  advice: z.string().max(500),
});
export type FoundGuest = z.infer<typeof FoundGuest>;

/** So many fit into an answer that is stored. */
export const FOUND_GUESTS_MAX = 128;

export const FoundGuests = z.strictObject({
  items: z.array(FoundGuest).max(FOUND_GUESTS_MAX),
  /** All that were found; the first are listed. */
  total: z.int().nonnegative(),
});
export type FoundGuests = z.infer<typeof FoundGuests>;
