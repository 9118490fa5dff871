import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

const GUESTS = ["first", "second"] as const;
const policy = {
  switchover: { mode: "gated" as const, group: { name: "pair", size: GUESTS.length } },
};

describe.skipIf(qemu === undefined)(`a group of guests${unlessQemu}`, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start();
    for (const vm of GUESTS) await stage.guest(vm);
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  const isHeld = (id: string): Promise<Migration> =>
    waitUntil(
      `${id} to hold`,
      async () => {
        const migration = await stage.api.getMigration(id);
        return migration.gate?.heldAtMs === undefined ? undefined : migration;
      },
      { timeoutMs: PATIENCE_MS, everyMs: 50 },
    );

  it(
    "waits, running, for its last member, and then switches over together",
    async () => {
      const first = await stage.api.createMigration({ vm: "first", target: "host-b", policy });
      await isHeld(first.id);
      await stage.counts("first", "host-a");
      const waiting = await stage.api.getMigration(first.id);
      expect(waiting.gate).not.toHaveProperty("permittedAt");
      expect(waiting).not.toHaveProperty("stoppedAtMs");

      const second = await stage.api.createMigration({ vm: "second", target: "host-b", policy });
      const ended = await Promise.all([first, second].map(({ id }) => stage.ends(id)));
      const [one, two] = ended;
      for (const migration of ended) {
        expect(migration.failure).toBeUndefined();
        expect(migration).toMatchObject({
          status: "completed",
          gate: { permittedBy: "group", openedAtMs: expect.any(Number) },
        });
        await stage.wentStraight(migration);
      }
      // No member stopped before all of them held.
      const held = Math.max(...ended.map(({ gate }) => gate?.heldAtMs ?? 0));
      expect(one?.stoppedAtMs).toBeGreaterThan(held);
      expect(two?.stoppedAtMs).toBeGreaterThan(held);
      for (const vm of GUESTS) await stage.runsOnlyOn(vm, "host-b");
    },
    PATIENCE_MS * 2,
  );
});
