import { afterAll, beforeAll, expect, it } from "vitest";
import { MigrationId } from "../../core/id.ts";
import { keys } from "../../functions/store/keys.ts";
import { listRunning } from "../../functions/store/lost-execution.ts";
import { listOf, migrationLists } from "../../functions/store/migration-record.ts";
import { putItem } from "../../functions/store/table.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";

const ENDINGS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

let cloud: TestCloud;
const running: MigrationId[] = [];

beforeAll(async () => {
  cloud = await startTestCloud();
  // The first list gets most of the newest ones, and every third migration runs.
  for (const [place, ending] of [...`${"0".repeat(8)}${ENDINGS}`].entries()) {
    const time = String(90 - place).padStart(10, "0");
    const id = MigrationId.parse(`mig_${time}${"A".repeat(15)}${ending}`);
    const status = place % 3 === 0 ? "running" : "completed";
    if (status === "running") running.push(id);
    await putItem({ ...keys.migration(id), id, status, gsi1pk: listOf(id), gsi1sk: id });
  }
});
afterAll(() => cloud.close());

it("migrations are spread over all lists", () => {
  const found = new Set([...ENDINGS].map((ending) => listOf(`mig_${ending}` as MigrationId)));
  expect([...found].toSorted()).toEqual([...migrationLists].toSorted());
});

it.each([1, 2, 5, 7, 100])("are listed newest first, each once, %d a page", async (limit) => {
  const seen: MigrationId[] = [];
  let after: string | undefined;
  for (let page = 0; page <= ENDINGS.length; page += 1) {
    const { items, next } = await listRunning({ limit, after });
    expect(items.length).toBeLessThanOrEqual(limit);
    seen.push(...items);
    after = next;
    if (after === undefined) break;
  }
  expect(after).toBeUndefined();
  expect(seen).toEqual(running);
});
