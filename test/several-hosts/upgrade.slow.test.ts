import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../../client/client.ts";
import { openDataFolder } from "../../local/data-folder.ts";
import { Child } from "../../rig/child.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { waitUntil } from "../../rig/wait-until.ts";

/**
 * `fixtures/data-folder-1.tar.gz` is a folder that the control plane wrote on 2026-11-30: two hosts,
 * one with a cordon; web1 has moved from host-a to host-b, db1 was under way; a webhook.
 */
const ROOT = join(import.meta.dirname, "../..");
const FIXTURE = join(import.meta.dirname, "fixtures/data-folder-1.tar.gz");
const PATIENCE_MS = 60_000;

let folder: string;
let data: string;

beforeEach(() => {
  folder = ownedFolder("sy-upgrade-");
  data = join(folder, "data");
  mkdirSync(data);
  execFileSync("tar", ["-C", data, "-xzf", FIXTURE]);
});
afterEach(() => removeFolder(folder));

describe("a data folder of an earlier version", () => {
  it(
    "is opened with all that it has, and a migration under way goes on",
    async () => {
      const ready = join(folder, "ready.json");
      const args = [`--data-dir=${data}`, "--port=0", "--no-flush", `--ready-file=${ready}`];
      const plane = new Child({
        name: "control plane",
        args: [join(ROOT, "local/main.ts"), ...args],
        environment: {},
        logFile: join(folder, "log"),
      });
      const { apiUrl, operatorToken } = await waitUntil(
        "the control plane",
        () => {
          if (!plane.isRunning) throw new Error(plane.logTail());
          return plane.logTail().includes("Press Ctrl-C")
            ? (JSON.parse(readFileSync(ready, "utf8")) as Record<string, string>)
            : undefined;
        },
        { timeoutMs: PATIENCE_MS },
      );
      const api = createClient({ url: apiUrl ?? "", token: operatorToken ?? "" });
      const hosts = await api.listHosts();
      expect(hosts.items).toMatchObject([
        { id: "host-a" },
        { id: "host-b", cordons: [{ owner: "ops" }] },
      ]);
      const vms = await api.listVms();
      expect(vms.items.map(({ id, host, state }) => [id, host, state])).toEqual([
        ["db1", "host-a", "migrating"],
        ["web1", "host-b", "running"],
      ]);
      const { items } = await api.listMigrations();
      expect(items.map(({ vm, status }) => [vm, status])).toEqual([
        ["db1", "running"],
        ["web1", "completed"],
      ]);
      for (const { id } of items) {
        expect((await api.getMigration(id)).id).toBe(id);
        expect((await api.getTimeline(id)).items.length).toBeGreaterThan(0);
      }
      expect((await api.listWebhooks()).items).toHaveLength(1);
      expect((await api.listEvents()).items.length).toBeGreaterThan(0);
      await plane.stop();
      expect(plane.exitCode).toBe(0);
    },
    PATIENCE_MS * 2,
  );

  it("of a later one is refused with what to do, and not changed", () => {
    const marker = join(data, "switchyard.json");
    const later = JSON.stringify({ format: 2, generation: 1, isComplete: true });
    writeFileSync(marker, later);
    const open = () => openDataFolder(data, ["DYNAMODB", "SQS", "SFN"]);
    expect(open).toThrow(/is of a later version.*start that version, or restore the backup/);
    expect(readFileSync(marker, "utf8")).toBe(later);
  });
});
