import { spawn } from "node:child_process";
import { join } from "node:path";
import { ownedFolder } from "../owned-folder.ts";

/** Owns a folder and starts a process that outlives its parent, as an agent's guest does. */
export function ownFolder(): { folder: string; guestPid: number } {
  const folder = ownedFolder();
  const args = ["-F", join(folder, "guest")];
  const guest = spawn("tail", args, { detached: true, stdio: "ignore" });
  guest.unref();
  if (guest.pid === undefined) throw new Error("Expected tail to start");
  return { folder, guestPid: guest.pid };
}
