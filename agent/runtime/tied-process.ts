import { spawnSync } from "node:child_process";

/** To run one that does nothing. */
const CHECK_MS = 5_000;

let canTie: boolean | undefined;

/**
 * A command whose process the kernel kills when this one ends, however it ends: setpriv (util-linux)
 * sets its PR_SET_PDEATHSIG, see prctl(2). It keeps its pid, its streams and its status. Where setpriv
 * is missing or does not know this (BusyBox), the command stays as it is.
 */
export function tiedToThisProcess(command: string, args: readonly string[]): [string, string[]] {
  canTie ??= checkSetpriv();
  return canTie ? ["setpriv", ["--pdeathsig", "KILL", command, ...args]] : [command, [...args]];
}

/** Blocks for some milliseconds, once. */
function checkSetpriv(): boolean {
  const args = ["--pdeathsig", "KILL", "true"];
  return spawnSync("setpriv", args, { stdio: "ignore", timeout: CHECK_MS }).status === 0;
}
