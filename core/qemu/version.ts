import type { QemuVersion } from "../protocol/probe.ts";

/** A QEMU release such as `8.1`. */
export type QemuRelease = `${number}.${number}`;

/** When something exists: from `since` on, and no longer from `removed` on. */
export type Lifetime = { readonly since?: QemuRelease; readonly removed?: QemuRelease };

export function isAtLeast(version: QemuVersion, release: QemuRelease): boolean {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** Whether a thing of this lifetime exists in this version. */
export function existsIn(lifetime: Lifetime, version: QemuVersion): boolean {
  if (lifetime.since !== undefined && !isAtLeast(version, lifetime.since)) return false;
  return lifetime.removed === undefined || !isAtLeast(version, lifetime.removed);
}

export function versionText({ major, minor, micro }: QemuVersion): string {
  return `${major}.${minor}.${micro}`;
}
