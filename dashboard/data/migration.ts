import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import type { Migration, Sample, TimelineEntry } from "../api-types.ts";

/** Samples of one migration that are kept: those of a day at the rarest interval. */
const SAMPLES_MAX = 6_000;
const PAGE_MAX = 100;

export type MigrationView = {
  readonly migration: Migration;
  readonly samples: readonly Sample[];
  /** Samples of whole pages, which do not change any more, and the cursor behind them. */
  readonly settled: { readonly samples: readonly Sample[]; readonly after: string | undefined };
  readonly timeline: readonly TimelineEntry[];
  /** The step at which it was read last, and the one at which nothing more comes. */
  readonly step: string;
  readonly settledStep: string | undefined;
};

/** A migration with its course. Of what was read before, only what may have changed is read again. */
export async function loadMigration(
  api: Client,
  id: string,
  before: MigrationView | undefined,
): Promise<MigrationView> {
  const migration = await api.getMigration(id);
  const step = stepOf(migration);
  const [course, timeline] = await Promise.all([
    loadSamples(api, id, before?.settled),
    before?.settledStep === step ? before.timeline : allOf((page) => api.getTimeline(id, page)),
  ]);
  // Lines of the timeline may be written after the record: it is read once more.
  const settledStep = before?.step === step ? step : undefined;
  return { migration, ...course, timeline, step, settledStep };
}

export function isMigrationBusy({ migration }: MigrationView): boolean {
  return migration.status === "running";
}

async function loadSamples(
  api: Client,
  id: string,
  before: MigrationView["settled"] = { samples: [], after: undefined },
): Promise<Pick<MigrationView, "samples" | "settled">> {
  let { samples, after } = before;
  for (;;) {
    const query = { limit: PAGE_MAX, ...(after === undefined ? {} : { after }) };
    const { items, next } = await api.listSamples(id, query);
    const all = [...samples, ...items];
    const isLast = next === undefined || all.length >= SAMPLES_MAX;
    if (isLast) return { samples: all, settled: { samples, after } };
    samples = all;
    after = next;
  }
}

/** Everything of the record that comes with a line in the timeline, but the figures. */
function stepOf({ progress, updatedAt, ...rest }: Migration): string {
  return JSON.stringify(rest);
}
