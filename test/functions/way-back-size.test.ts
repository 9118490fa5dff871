import { describe, expect, it } from "vitest";
import type { Migration, TimelineEntry } from "../../core/migration/migration.ts";
import { TURNS_MAX } from "../../core/migration/reconcile.ts";
import { DEFINITION_BYTES_MAX, DEFINITION_PART_BYTES_MAX } from "../../core/size-limits.ts";
import { ITEM_BYTES_MAX } from "../../emulators/aws/dynamodb/item-bytes.ts";
import { keys } from "../../functions/store/keys.ts";
import { enterPhase, recordDecision } from "../../functions/store/migration-progress.ts";
import { findMigration } from "../../functions/store/migration-record.ts";
import { DECISIONS_KEPT, newestTurn } from "../../functions/store/turns.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { definition } from "./testing/fixtures.ts";
import { addMigration, addVm, operate } from "./testing/fleet.ts";
import { storedBytes } from "./testing/stored-bytes.ts";
import { TwoHosts } from "./testing/two-hosts.ts";

/** The longest of what an agent says, and of what is said around it. */
const TEXT = "€".repeat(1_000 / 3);
const TIMES = 3;

const hosts = TwoHosts.forEachTest();

/** As long as a definition may be, of what grows most as an item: lists of digits. */
function largestDefinition() {
  const digits = Array.from({ length: (DEFINITION_PART_BYTES_MAX - 100) / 2 }, () => 1);
  const devices = [digits, digits].map((p) => ({ driver: "d", p }));
  const rest = "x".repeat(DEFINITION_BYTES_MAX - 2 * DEFINITION_PART_BYTES_MAX - 2_000);
  return { ...definition, memoryBytes: 2 ** 20, devices: [...devices, { driver: "d", p: rest }] };
}

/** All turns that one way back may have, to an end that nobody knows. */
async function goBack(made: Migration, from: number): Promise<void> {
  for (let turn = from; turn < from + TURNS_MAX; turn += 1) {
    await (await enterPhase(made.id, "reconcile")).recorded;
    const at = new Date().toISOString();
    const reason = `${TEXT}${TEXT}`;
    await recordDecision(made.id, { turn, at, action: "wait", reason, undoFailed: TEXT }, {});
    await (await enterPhase(made.id, "undo")).recorded;
  }
  await endMigration({ migrationId: made.id, action: "freeze", reason: "two runners" });
}

describe("a migration whose way back is taken again and again", () => {
  it("has a record that stays below 400 KB, and a timeline with every turn", async () => {
    await addVm("vm-large", hosts.source, largestDefinition());
    const made = await addMigration("vm-large", "host-b");
    await admit({ migrationId: made.id });
    let bytes = 0;
    for (let time = 0; time < TIMES; time += 1) {
      await goBack(made, time * TURNS_MAX + 1);
      bytes = Math.max(bytes, await storedBytes(keys.migration(made.id)));
      expect((await operate("POST", "/v1/vms/vm-large/reconcile")).status).toBe(202);
      const now = await findMigration(made.id);
      expect(now?.decisions).toHaveLength(DECISIONS_KEPT);
      expect(now && newestTurn(now)).toBe((time + 1) * TURNS_MAX);
      expect(now?.turnsBefore).toBe((time + 1) * TURNS_MAX);
      const { devices } = now?.definition ?? {};
      expect(JSON.stringify(devices) === JSON.stringify(largestDefinition().devices)).toBe(true);
    }
    expect(bytes).toBeLessThan(ITEM_BYTES_MAX);
    expect(bytes).toBeGreaterThan(DEFINITION_BYTES_MAX);
    const entries = await timeline(made.id);
    const turns = entries.filter(({ type }) => type === "reconcile.decided");
    const all = Array.from({ length: TIMES * TURNS_MAX }, (_, place) => place + 1);
    expect(turns.map(({ detail }) => detail.turn)).toEqual(all);
    const undone = entries.filter(({ detail }) => detail.phase === "undo");
    expect(undone).toHaveLength(TIMES * TURNS_MAX);
    expect(new Set(entries.map(({ origin }) => origin))).toEqual(new Set(["cloud"]));
  });

  it("does not record the same turn again once it was moved to the timeline", async () => {
    const made = await hosts.move();
    await goBack(made, 1);
    await operate("POST", `/v1/vms/${hosts.vm}/reconcile`);
    const before = await findMigration(made.id);
    const late = { turn: 3, at: new Date().toISOString(), action: "wait", reason: "late" };
    await recordDecision(made.id, late, {});
    expect(await findMigration(made.id)).toEqual(before);
  });
});

async function timeline(id: string): Promise<TimelineEntry[]> {
  const found: TimelineEntry[] = [];
  let after: string | undefined;
  do {
    const page = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
    const { body } = await operate("GET", `/v1/migrations/${id}/timeline?limit=100${page}`);
    found.push(...(body.items as TimelineEntry[]));
    after = body.next as string | undefined;
  } while (after !== undefined);
  return found;
}
