import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { endlessly, PATIENCE_MS, Plane } from "../cli/testing/plane.ts";
import { runPage } from "./testing/run-page.ts";

const HOUR_MS = 3_600_000;

let plane: Plane;
let path: string;

beforeAll(async () => {
  plane = await Plane.start({ heartbeatIntervalMs: 1_000 });
  const command = join(plane.folder, "switchyard");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${plane.bundle}" "$@"\n`);
  chmodSync(command, 0o755);
  path = `${plane.folder}:${plane.environment.PATH}`;
}, PATIENCE_MS);
afterAll(() => plane?.stop(), PATIENCE_MS);

/** As somebody who has logged in, and has set what the pages name. */
async function run(command: string, environment: Record<string, string> = {}) {
  const { SWITCHYARD_TOKEN_FILE: file = "" } = plane.environment;
  const named = { API: plane.fleet.api.url, TOKEN: readFileSync(file, "utf8").trim() };
  return plane.shell(command, { PATH: path, ...named, ...environment });
}

const newest = async () => (await plane.fleet.api.listEvacuations({ limit: 1 })).items[0];

async function evacuationEnds(): Promise<string> {
  const isOver = async () => {
    const found = await newest();
    return found !== undefined && isFinalEvacuation(found.status) ? found.status : undefined;
  };
  return waitUntil("the evacuation's end", isOver, { timeoutMs: PATIENCE_MS, everyMs: 300 });
}

describe("the commands of pages for operators", () => {
  it(
    "hosts: close and open a host, and say what it takes",
    async () => {
      await runPage("hosts.md", { run });
    },
    PATIENCE_MS,
  );

  it(
    "rules of a VM: keep it apart, and limit its tenant",
    async () => {
      await runPage("vm-rules.md", { run });
      await run("switchyard vm rules web1 --apart none --require none --tenant none");
    },
    PATIENCE_MS,
  );

  it(
    "evacuation: plan, approve, and ask an owner first",
    async () => {
      const { api } = plane.fleet;
      await run("switchyard vm label web1 tier=gold");
      await runPage("evacuation.md", {
        run,
        environment: async () => ({
          ID: (await newest())?.id ?? "",
          INSTANT: new Date(Date.now() + HOUR_MS).toISOString(),
        }),
        after: async (command) => {
          if (command.includes("$ID/approve")) {
            expect(await evacuationEnds()).toBe("completed");
            expect(await api.getHost("host-a")).toMatchObject({ state: "cordoned" });
            await api.rollBackEvacuation((await newest())?.id ?? "");
            expect(await evacuationEnds()).toBe("rolled-back");
          }
          if (!command.includes("approve $ID --version 1 --detach")) return;
          const isNoticed = async () => {
            const { items } = await api.listEvacuationMoves((await newest())?.id ?? "");
            return items.find(({ vm, state }) => vm === "web1" && state === "noticed");
          };
          await waitUntil("the owner's notice", isNoticed, { timeoutMs: PATIENCE_MS });
        },
      });
      expect(await evacuationEnds()).toBe("completed");
    },
    3 * PATIENCE_MS,
  );

  it(
    "unknown: read what is known, ask again, and give up a host that is off",
    async () => {
      const { api } = plane.fleet;
      await run("switchyard host uncordon host-a");
      await plane.fleet.startVm("web-1", "host-a", plane.definition());
      const made = { vm: "web-1", target: "host-b", policy: endlessly };
      const { id } = await api.createMigration(made);
      const isSending = async () => {
        const { progress } = await api.getMigration(id);
        return (progress?.ramTransferredBytes ?? 0) > 0 ? true : undefined;
      };
      await waitUntil("precopy", isSending, { timeoutMs: PATIENCE_MS });
      const agent = plane.fleet.agent("host-a");
      agent.kill("SIGKILL");
      await agent.exited;
      const pid = plane.fleet.guestPid("host-a", "web-1");
      if (pid !== undefined) process.kill(pid, "SIGKILL");
      const isSilent = async () =>
        (await api.getHost("host-a")).state === "silent" ? true : undefined;
      await waitUntil("the silence of host-a", isSilent, { timeoutMs: PATIENCE_MS });
      await runPage("unknown.md", { run, environment: async () => ({ ID: id }) });
      const ended = await plane.fleet.waitForMigration(id, { timeoutMs: 2 * PATIENCE_MS });
      expect(ended).toMatchObject({ status: "failed" });
      expect(await api.getVm("web-1")).toMatchObject({ state: "failed" });
    },
    4 * PATIENCE_MS,
  );
});
