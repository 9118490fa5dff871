import { expect, it } from "vitest";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { arrive } from "./testing/fleet.ts";
import { TwoHosts } from "./testing/two-hosts.ts";

const YEAR_SECONDS = 365 * 86_400;
const hosts = TwoHosts.forEachTest();

/** The parts of a migration's record, and whether each expires a year from now. */
async function expiries(id: string): Promise<Record<string, boolean>> {
  const parts = (await hosts.cloud.scan()).filter(
    ({ pk, sk }) =>
      (pk === `MIG#${id}` && ["META", "SIGNALS"].includes(String(sk))) || sk === `MIG#${id}`,
  );
  const fromNow = (ttl: unknown) => Number(ttl) - Date.now() / 1_000;
  return Object.fromEntries(
    parts.map(({ sk, ttl }) => [String(sk), Math.abs(fromNow(ttl) - YEAR_SECONDS) < 60]),
  );
}

const end = (migrationId: string, action: string) =>
  endMigration({ migrationId, action, reason: "", error: "MigrationFailed", cause: "" });

it.each([
  ["completed", true],
  ["failed", true],
  ["unknown", false],
  ["running", false],
])("a migration that is %s expires with all its parts: %s", async (status, isExpiring) => {
  const made = await hosts.move();
  if (status === "completed") {
    await arrive(hosts.target, made);
    await complete({ migrationId: made.id });
  }
  if (status === "failed") await end(made.id, "end");
  if (status === "unknown") await end(made.id, "freeze");
  expect(await expiries(made.id)).toEqual({
    META: isExpiring,
    SIGNALS: isExpiring,
    [`MIG#${made.id}`]: isExpiring,
  });
});
