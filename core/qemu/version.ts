import type { QemuVersion } from "../protocol/probe.ts";

/** A QEMU release such as `8.1`. */
export type QemuRelease = `${number}.${number}`;

/** The releases that have something: from `since` on, and before `removed`. */
export type Lifetime = { readonly since?: QemuRelease; readonly removed?: QemuRelease };

/** Whether a version belongs to this release or a later one. */
export function isAtLeast(version: QemuVersion, release: QemuRelease): boolean {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** Whether this version has a thing of that lifetime. */
export function existsIn(lifetime: Lifetime, version: QemuVersion): boolean {
  if (lifetime.since !== undefined && !isAtLeast(version, lifetime.since)) return false;
  return lifetime.removed === undefined || !isAtLeast(version, lifetime.removed);
}

/** `10.0.2` */
export function versionText({ major, minor, micro }: QemuVersion): string {
  return `${major}.${minor}.${micro}`;
}
