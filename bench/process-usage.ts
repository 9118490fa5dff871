import { readFileSync } from "node:fs";

/** User and system time of a process, ms (proc(5): fields 14 and 15, 100 ticks per second). */
export function cpuMs(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The most memory that a process ever had, MiB. */
export function peakMiB(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, kib = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(text) ?? [];
  return Math.round(Number(kib) / 1_024);
}
