import type { MigrationId } from "../../core/id.ts";
import type { TimelineEntry } from "../../core/migration/migration.ts";
import type { Progress } from "../../core/protocol/event.ts";
import type { EventKey } from "../store/keys.ts";
import type { Happened, Outcome } from "../store/signals.ts";
import { addRows, entryRow, type Row, sampleRow } from "../store/timeline.ts";
import { beat, happen } from "./signals.ts";

/**
 * What a batch of events tells of migrations and is not written yet: lines of the timeline, samples,
 * signals. Written together it costs two calls for each migration, not two for each event. Whatever
 * acts upon what was told, such as an interrupt, writes it first.
 */
export class Told {
  readonly #rows: Row[] = [];
  readonly #happened = new Map<MigrationId, Map<string, Outcome>>();
  readonly #beating = new Set<MigrationId>();

  entry(id: MigrationId, at: EventKey, entry: Pick<TimelineEntry, "type" | "detail">): void {
    this.#rows.push(entryRow(id, at, entry));
  }

  sample(id: MigrationId, at: EventKey, progress: Progress): void {
    this.#rows.push(sampleRow(id, at, progress));
    this.#beating.add(id);
  }

  /** The first word on each signal stays. */
  happened(id: MigrationId, { name, outcome }: Happened): void {
    const known = this.#happened.get(id) ?? new Map<string, Outcome>();
    if (!known.has(name)) known.set(name, outcome);
    this.#happened.set(id, known);
  }

  async write(): Promise<void> {
    const rows = this.#rows.splice(0);
    const happened = [...this.#happened];
    const beating = [...this.#beating];
    this.#happened.clear();
    this.#beating.clear();
    // A workflow waits for these.
    await Promise.all(
      happened.map(([id, outcomes]) =>
        happen(
          id,
          [...outcomes].map(([name, outcome]) => ({ name, outcome })),
        ),
      ),
    );
    await Promise.all([addRows(rows), ...beating.map(beat)]);
  }
}
