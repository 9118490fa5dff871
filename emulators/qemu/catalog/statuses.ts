import { isPresent, type Lifetime, type Version } from "./version.ts";

const statuses = [
  { name: "none" },
  { name: "setup" },
  { name: "cancelling" },
  { name: "cancelled" },
  { name: "active" },
  { name: "postcopy-device", since: "10.2" },
  { name: "postcopy-active" },
  { name: "postcopy-paused" },
  { name: "postcopy-recover-setup", since: "9.1" },
  { name: "postcopy-recover" },
  { name: "completed" },
  { name: "failing", since: "11.0" },
  { name: "failed" },
  { name: "colo" },
  { name: "pre-switchover" },
  { name: "device" },
  { name: "wait-unplug" },
] as const satisfies ReadonlyArray<Lifetime & { readonly name: string }>;

export type MigrationStatus = (typeof statuses)[number]["name"];

const lifetimes: ReadonlyArray<Lifetime & { readonly name: string }> = statuses;

/** The states of migration that `version` knows, in QEMU's order. */
export function listStatuses(version: Version): string[] {
  return lifetimes.filter((status) => isPresent(version, status)).map((status) => status.name);
}

/** Whether no migration is running. */
export function isIdle(status: MigrationStatus): boolean {
  return ["none", "completed", "failed", "cancelled"].includes(status);
}

export function isPostcopy(status: MigrationStatus): boolean {
  return status.startsWith("postcopy-");
}
