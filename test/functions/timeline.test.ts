import { describe, expect, it } from "vitest";
import { allOf } from "../../client/pages.ts";
import type { TimelineEntry } from "../../core/migration/migration.ts";
import { addRows, entryRow } from "../../functions/store/timeline.ts";
import { addMigration, operate } from "./testing/fleet.ts";
import { TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();

describe("GET /v1/migrations/{id}/timeline", () => {
  it("has each entry once, page by page, the cloud's among the hosts'", async () => {
    const { id, createdAt, source } = await addMigration(hosts.vm, "host-b");
    const rows = [-2, -1, 0, 1, 2].map((ms, seq) =>
      entryRow(
        id,
        { atMs: Date.parse(createdAt) + ms, host: source, seq },
        { type: "hook.ended", detail: { seq } },
      ),
    );
    await addRows(rows);
    const path = `/v1/migrations/${id}/timeline`;
    const whole = (await operate("GET", path)).body.items as TimelineEntry[];
    expect(whole.filter(({ type }) => type === "hook.ended")).toHaveLength(rows.length);
    expect(whole.filter(({ origin }) => origin === "cloud").length).toBeGreaterThan(0);
    for (const limit of [1, 2, 4]) {
      const read = (page: { after?: string }) =>
        operate("GET", `${path}?${new URLSearchParams({ limit: String(limit), ...page })}`);
      const paged = await allOf(
        async ({ after }) =>
          (await read(after === undefined ? {} : { after })).body as {
            items: TimelineEntry[];
            next?: string;
          },
      );
      const texts = (items: TimelineEntry[]) => items.map((item) => JSON.stringify(item)).sort();
      expect(texts(paged)).toEqual(texts(whole));
      expect(paged.map(({ at }) => at)).toEqual(whole.map(({ at }) => at));
    }
  });
});
