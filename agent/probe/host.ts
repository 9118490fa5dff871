import { accessSync, constants, readFileSync } from "node:fs";

/** Accelerators that this process may use. */
export function accelerators(): ("tcg" | "kvm")[] {
  return canUse("/dev/kvm") ? ["tcg", "kvm"] : ["tcg"];
}

/**
 * Whether this process may use userfaultfd(2) for kernel faults: as root, by /dev/userfaultfd, or when
 * vm.unprivileged_userfaultfd is 1.
 */
export function userfaultfd(): boolean {
  if (process.getuid?.() === 0 || canUse("/dev/userfaultfd")) return true;
  try {
    return readFileSync("/proc/sys/vm/unprivileged_userfaultfd", "utf8").trim() === "1";
  } catch {
    return false;
  }
}

function canUse(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
