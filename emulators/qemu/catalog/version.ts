/** A QEMU version. */
export type Version = {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
  /** The text of `query-version`'s `package` member. */
  readonly package: string;
};

/**
 * Parses `10.0.2`; `package` is empty.
 *
 * @throws Error for any other form
 */
export function parseVersion(text: string): Version {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?$/.exec(text);
  if (!match) throw new Error(`Expected a QEMU version like 10.0.2, got \`${text}\``);
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    micro: Number(match[3] ?? 0),
    package: "",
  };
}

/** Whether `version` is the release `release` (such as `9.1`) or a later one. */
export function atLeast(version: Version, release: string): boolean {
  const other = parseVersion(release);
  if (version.major !== other.major) return version.major > other.major;
  if (version.minor !== other.minor) return version.minor > other.minor;
  return version.micro >= other.micro;
}

/** A feature that was added in one release and possibly removed in another. */
export type Lifetime = {
  readonly since?: string;
  /** The first release that no longer has it. */
  readonly removed?: string;
};

/** Whether `version` has it. */
export function isPresent(version: Version, lifetime: Lifetime): boolean {
  if (lifetime.since && !atLeast(version, lifetime.since)) return false;
  return !lifetime.removed || !atLeast(version, lifetime.removed);
}
