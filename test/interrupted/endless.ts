import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "vitest";
import { Child } from "../../rig/child.ts";
import { ownFolder } from "../../rig/testing/own-folder.ts";

it("starts processes and waits", async () => {
  const { folder, guestPid } = ownFolder();
  const child = new Child({
    name: "agent",
    args: ["--eval", "setInterval(() => undefined, 1_000)", join(folder, "agent")],
    environment: {},
    logFile: join(folder, "agent.log"),
  });
  const pids = [process.pid, child.pid, guestPid];
  writeFileSync(join(tmpdir(), "ready.json"), JSON.stringify({ folder, pids }));
  await new Promise(() => undefined);
}, 600_000);
