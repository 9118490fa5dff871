import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError } from "../../client/api-error.ts";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { endlessly, PATIENCE_MS, Plane } from "./testing/plane.ts";
import { hasTmux, Screen, unlessTmux } from "./testing/screen.ts";

let plane: Plane;

beforeAll(async () => {
  plane = await Plane.start();
}, PATIENCE_MS);
afterAll(() => plane?.stop(), PATIENCE_MS);

async function run(line: string) {
  return plane.run(line.split(" "));
}

/** The second guest may begin only when the first one has ended. */
async function cancelEachMove(id: string): Promise<void> {
  const { api } = plane.fleet;
  const isOver = async () => {
    const { items } = await api.listEvacuationMoves(id);
    for (const { state, migration } of items) {
      if (state !== "moving" || migration === undefined) continue;
      await api.cancelMigration(migration).catch((error: unknown) => {
        // It has just ended.
        if (!(error instanceof ApiError && error.status === 409)) throw error;
      });
    }
    return isFinalEvacuation((await api.getEvacuation(id)).status) ? true : undefined;
  };
  await waitUntil("the evacuation's end", isOver, { timeoutMs: PATIENCE_MS, everyMs: 500 });
}

describe("a host's life", () => {
  it(
    "is changed by its verbs",
    async () => {
      const labelled = await run("host label host-c rack=7");
      expect(labelled.stdout).toMatch(/^labels +rack=7$/m);
      expect((await run("host label host-c rack=")).stdout).not.toContain("rack");
      const limited = await run("host limits host-c --slots-in 4");
      expect(limited.stdout).toMatch(/^slots in +0 of 4 in use$/m);
      expect((await run("host limits host-c")).exit).toBe(2);
      const cordoned = await run("host cordon host-c --by ops -m disk");
      expect(cordoned.stdout).toMatch(/^cordons +ops \("disk"\)$/m);
      expect((await run("migrate web1 --to host-c --detach")).exit).toBe(3);
      expect((await run("host uncordon host-c")).stderr).toContain("cordons of ops");
      expect((await run("host maintenance host-a")).exit).toBe(3);
      expect((await run("host maintenance host-c")).stdout).toMatch(/^state +maintenance$/m);
      expect((await run("host return host-c")).stdout).toMatch(/^state +active$/m);
      expect((await run("host retire host-c")).exit).toBe(2);
      expect((await run("host guests host-a -o json")).exit).toBe(0);
    },
    PATIENCE_MS,
  );
});

describe("a guest", () => {
  it(
    "is controlled by its verbs",
    async () => {
      expect((await run("vm pause web1")).exit).toBe(0);
      expect((await run("vm resume web1")).exit).toBe(0);
      expect((await run("vm reset web1")).exit).toBe(2);
      expect((await run("explain web1 --make-room")).stdout).toContain("2 of 2 hosts");
    },
    PATIENCE_MS,
  );

  it(
    "has its definition made of a command line",
    async () => {
      const file = join(plane.folder, "command.txt");
      writeFileSync(file, "qemu-system-x86_64 -nodefaults -m 256 -spice port=5900\n");
      const { stdout, stderr } = await run(`vm import ${file}`);
      expect(JSON.parse(stdout)).toMatchObject({ memoryBytes: 256 * 2 ** 20 });
      expect(stderr).toContain("-spice");
    },
    PATIENCE_MS,
  );
});

describe("what is asked before anything moves", () => {
  it(
    "a policy is checked and shown with its defaults",
    async () => {
      const file = join(plane.folder, "policy.json");
      writeFileSync(file, JSON.stringify({ downtimeBudgetMs: 200, ack: { onTimeout: "hold" } }));
      const checked = await run(`policy check ${file}`);
      expect([checked.exit, checked.stderr]).toEqual([0, "The policy is sound\n"]);
      expect(checked.stdout).toMatch(/^downtimeBudgetMs +200 +the file$/m);
      expect(checked.stdout).toMatch(/^ack.deadlineMs +300000 +default$/m);
      expect((await run("policy show")).stdout).toMatch(/^tls +off +default$/m);
      expect(JSON.parse((await run("policy show -o json")).stdout)).toMatchObject({ tls: "off" });
      writeFileSync(file, JSON.stringify({ budget: 200 }));
      const refused = await run(`policy check ${file}`);
      expect([refused.exit, refused.stderr]).toEqual([3, expect.stringContaining("budget")]);
    },
    PATIENCE_MS,
  );

  it(
    "the command line says its version, and the profile that it uses",
    async () => {
      expect((await run("version")).stdout).toMatch(/^switchyard +\d+\.\d+\.\d+$/m);
      expect((await run("profile show")).exit).toBe(5);
      expect((await run("login")).exit).toBe(0);
      const { stdout } = await run("profile show");
      expect(stdout).toMatch(/^profile +default\nurl +http.*\ntoken +kept\nin use +yes$/m);
      expect((await run("profile show nope")).exit).toBe(5);
    },
    PATIENCE_MS,
  );
});

describe("a schedule", () => {
  it(
    "lists its windows, skips one, and opens one now",
    async () => {
      const plan = ["--cron", "0 3 * * *", "--duration", "1h", "--host", "host-c", "-o", "name"];
      const made = await plane.run(["schedule", "create", "nights", ...plan]);
      const id = made.stdout.trim();
      const [first, second] = (await plane.fleet.api.getSchedule(id)).next;
      const skipped = await run(`schedule skip-next ${id} --by ada -m holiday --utc`);
      expect(skipped.stdout).toMatch(/^skipped +\S+ by ada: holiday$/m);
      const listed = (await run(`schedule next ${id} -o ndjson`)).stdout.trim().split("\n");
      expect(listed.slice(0, 2).map((line) => JSON.parse(line))).toMatchObject([
        { startsAt: first?.startsAt, note: "skipped by ada" },
        { startsAt: second?.startsAt, note: "" },
      ]);
      expect((await run("schedule next --limit 1")).stdout).toMatch(/skipped by ada$/m);
      expect((await run(`schedule skip-next ${id} --undo`)).exit).toBe(0);
      expect((await run(`schedule skip-next ${id} --undo`)).exit).toBe(3);
      expect((await run(`schedule run-now ${id} --dry-run`)).stdout).toMatch(/^hosts +host-c$/m);
      const ran = await run(`schedule run-now ${id} --by ada`);
      expect([ran.exit, ran.stderr]).toEqual([0, expect.stringContaining("Nothing was started")]);
      await run(`schedule pause ${id}`);
      expect((await run(`schedule run-now ${id}`)).exit).toBe(3);
      expect((await run(`schedule delete ${id} --yes`)).exit).toBe(0);
    },
    PATIENCE_MS,
  );
});

describe("an evacuation", () => {
  it(
    "is planned by a dry run, and nothing is recorded",
    async () => {
      const { stdout, exit } = await run("evacuate host-a --dry-run --exit-code");
      expect([exit, stdout]).toEqual([10, expect.stringMatching(/moves +2 VMs, /)]);
      expect((await run("evacuation list -o name")).stdout).toBe("");
    },
    PATIENCE_MS,
  );

  it(
    "needs an answer, or --yes",
    async () => {
      expect((await run("evacuate host-a")).exit).toBe(2);
      expect((await run("evacuation list -o name")).stdout).toBe("");
    },
    PATIENCE_MS,
  );

  it(
    "is planned, rejected, and cannot be approved then",
    async () => {
      const id = (await run("evacuation plan host-a -o name")).stdout.trim();
      expect((await run(`evacuation show ${id} --version 1`)).stdout).toContain("lower bound");
      expect((await run(`evacuation approve ${id} --version 2`)).exit).toBe(5);
      expect((await run(`evacuation reject ${id}`)).stdout).toMatch(/^status +rejected$/m);
      expect((await run(`evacuation approve ${id} --version 1`)).exit).toBe(3);
      expect((await run(`evacuation watch ${id}`)).exit).toBe(3);
    },
    PATIENCE_MS,
  );

  it(
    "has a second version when a target is closed, and `diff` says what that changes",
    async () => {
      const id = (await run("evacuation plan host-a -o name")).stdout.trim();
      expect((await run(`evacuation diff ${id}`)).exit).toBe(2);
      const { plan } = await plane.fleet.api.getEvacuationPlan(id, 1);
      const [{ vm, target } = { vm: "", target: "" }] = plan.moves;
      await run(`host cordon ${target} --by ops`);
      expect((await run(`evacuation approve ${id} --version 1`)).exit).toBe(6);
      const other = target === "host-b" ? "host-c" : "host-b";
      const { stdout, exit } = await run(`evacuation diff ${id}`);
      expect([exit, stdout]).toEqual([0, expect.stringContaining("version 1 → 2   fleet-changed")]);
      expect(stdout).toMatch(/^ends after +\S.* {2,}\S/m);
      expect(stdout).toMatch(new RegExp(`^${vm} +${target} +${other} +another host$`, "m"));
      const back = JSON.parse((await run(`evacuation diff ${id} 2 1 -o json`)).stdout);
      expect(back).toMatchObject({ before: { version: 2 }, after: { version: 1 } });
      expect(back.differences).toContainEqual({
        vm,
        before: other,
        after: target,
        kind: "other-target",
      });
      expect((await run(`evacuation diff ${id} 1 9`)).exit).toBe(5);
      expect((await run(`evacuation diff ${id} 1 1`)).stdout).toContain("the same host in both");
      await run(`host uncordon ${target} --by ops`);
      expect((await run(`evacuation reject ${id}`)).exit).toBe(0);
    },
    PATIENCE_MS,
  );

  it.skipIf(!hasTmux)(
    `is watched on a terminal, and Ctrl-C leaves it alone${unlessTmux}`,
    async () => {
      const { api } = plane.fleet;
      const { id, version } = await api.createEvacuation({ hosts: ["host-a"], policy: endlessly });
      await api.approveEvacuation(id, version);
      const line = `"${process.execPath}" "${plane.bundle}" evacuation watch ${id}`;
      const screen = new Screen(plane.folder, 80, line, plane.environment);
      try {
        // The other guest waits for the only slot.
        const text = await screen.shows(/^\S+ +host-[bc] +precopy/m, PATIENCE_MS);
        expect(text).toMatch(/^host-a {2}░+ {2}0 of 2 moved$/m);
        expect(text).toMatch(/lower bound/);
        screen.press("C-c");
        await screen.shows(/^exit=130$/m, PATIENCE_MS);
      } finally {
        screen.close();
      }
      expect((await api.getEvacuation(id)).status).toBe("running");
      await cancelEachMove(id);
      const ended = await run(`evacuation watch ${id}`);
      expect([ended.exit, ended.stdout]).toEqual([1, expect.stringContaining("2 not to be moved")]);
      expect((await run("host uncordon host-a")).exit).toBe(0);
    },
    PATIENCE_MS,
  );

  it(
    "empties a host, and is rolled back",
    async () => {
      const done = await run("evacuate host-a --yes --wait");
      expect([done.exit, done.stdout]).toEqual([
        0,
        expect.stringMatching(/^✔ host-a {3}completed {3}2 of 2 moved/m),
      ]);
      const [id = ""] = /evac_\w+/.exec(done.stdout) ?? [];
      expect((await run(`evacuation moves ${id} --state moved -o name`)).stdout).toBe(
        "db-1\nweb1\n",
      );
      const report = await run(`evacuation report ${id}`);
      expect(report.stdout).toMatch(/^time +took \S.*, predicted \S.* \(.* to .*\)$/m);
      expect(report.stdout).toMatch(/^bound +lower bound \S.*: \d+\.\d\d ×$/m);
      expect(report.stdout).toMatch(/^ETA off +\S.*at the start/m);
      expect(report.stdout).toMatch(/^VM +STATE +TRIES +TIME +PREDICTED +DOWNTIME +EXPECTED$/m);
      expect(report.stdout).toMatch(/^web1 +moved +1 +\S/m);
      const { items } = await plane.fleet.api.listEvacuationMoves(id);
      expect(JSON.parse((await run(`evacuation report ${id} -o json`)).stdout)).toMatchObject({
        evacuation: id,
        retries: 0,
        makespan: { realMs: expect.any(Number), ratio: expect.any(Number) },
        etaError: { atStart: expect.any(Number) },
        moves: items,
      });
      // It has ended: nothing of it starts any more.
      expect((await run(`evacuation limits ${id} --moves-at-once 1`)).exit).toBe(3);
      expect((await run(`evacuation cancel ${id}`)).exit).toBe(2);
      expect((await run(`evacuation rollback ${id} --yes`)).exit).toBe(0);
      expect((await run(`evacuation watch ${id}`)).stdout).toMatch(/✔ host-a {3}rolled-back/);
      expect(await plane.fleet.api.getVm("web1")).toMatchObject({ host: "host-a" });
    },
    2 * PATIENCE_MS,
  );
});
