import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import type { AgentConfig } from "../runtime/config.ts";
import { type Finding, messageOf, ok, warning, wrong } from "./finding.ts";

/** sd_booted(3). */
const BOOTED = "/run/systemd/system";
const COMMAND_MS = 10_000;
const run = promisify(execFile);

/** How guests are kept apart from the agent's service. */
export async function checkUnits({ guestSlice }: Pick<AgentConfig, "guestSlice">) {
  return [await unitsFinding(guestSlice, existsSync(BOOTED))];
}

export async function unitsFinding(
  guestSlice: string | undefined,
  isBooted: boolean,
): Promise<Finding> {
  if (guestSlice === undefined) {
    if (!isBooted) return ok("units", "guests are the agent's children: systemd does not run here");
    const found = "guests are the agent's children: they have the limits of its service";
    const cure = "set `guestSlice` to switchyard-guests.slice, at best before guests are started";
    return warning("units", found, cure);
  }
  if (!isBooted) {
    const found = `guests would be units in ${guestSlice}, and systemd does not run here`;
    return wrong("units", found, "remove `guestSlice`");
  }
  try {
    await run("systemd-run", ["--version"], { timeout: COMMAND_MS });
    await run("systemctl", ["show", "--property=Version"], { timeout: COMMAND_MS });
    return ok("units", `guests are units of systemd in ${guestSlice}`);
  } catch (error) {
    const cure = "run the agent as root, and install systemd's programs on its PATH";
    return wrong("units", messageOf(error), cure);
  }
}
