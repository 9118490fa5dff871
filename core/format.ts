/** Figures for people: one style for everything that shows them. */

const UNITS = "B KiB MiB GiB TiB PiB";

/** Bytes with a binary unit and at most three digits before it, such as `1.9 GiB`. */
export function bytes(count: number): string {
  const units = UNITS.split(" ");
  let value = count;
  let place = 0;
  // 1023.5 would be written as 1024.
  while (value >= 1023.5 && place < units.length - 1) {
    value /= 1024;
    place += 1;
  }
  const digits = place === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[place]}`;
}

/** Bytes for people and for programs: `1.9 GiB (2040109466 bytes)`, `512 bytes`. */
export function bytesInFull(count: number): string {
  return count < 1_024 ? `${count} bytes` : `${bytes(count)} (${count} bytes)`;
}

export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`;
}

/** A length of time: `38 ms`, `4.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3_600) return pair(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

function pair(more: number, moreUnit: string, less: number, lessUnit: string): string {
  return less === 0 ? `${more} ${moreUnit}` : `${more} ${moreUnit} ${less} ${lessUnit}`;
}

/** How far a host's clock was from the control plane's: `38 ms behind the control plane's`. */
export function clockOffset(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  return `${duration(Math.abs(ms))} ${ms < 0 ? "behind" : "ahead of"} the control plane's`;
}

/** How long ago, in one unit: `2 s`, `4 min`, `3 h`, `5 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
