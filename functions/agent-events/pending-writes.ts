import type { FleetEvent } from "../../core/fleet-event/fleet-event.ts";
import type { MigrationId } from "../../core/id.ts";
import type { TimelineEntry } from "../../core/migration/migration.ts";
import type { Progress } from "../../core/protocol/event.ts";
import { eventRow, inTime } from "../store/fleet-events.ts";
import type { EventKey } from "../store/keys.ts";
import type { Outcome, RaisedSignal } from "../store/signals.ts";
import { addRows, entryRow, type Row, sampleRow } from "../store/timeline.ts";
import { keepWaitsAlive, raiseSignals } from "./signals.ts";

/**
 * Effects of a batch of events that are not written yet: timeline entries, samples, signals. Written
 * together they cost two calls for each migration instead of two for each event. An effect that
 * depends on them, such as an interrupt, writes them first.
 */
export class PendingWrites {
  readonly #rows: Row[] = [];
  readonly #raised = new Map<MigrationId, Map<string, Outcome>>();
  readonly #inProgress = new Set<MigrationId>();
  readonly #events: FleetEvent[] = [];

  addEntry(id: MigrationId, at: EventKey, entry: Pick<TimelineEntry, "type" | "detail">): void {
    this.#rows.push(entryRow(id, at, entry));
  }

  /** Adds a progress sample; the migration's open waits get a heartbeat. */
  addSample(id: MigrationId, at: EventKey, progress: Progress): void {
    this.#rows.push(sampleRow(id, at, progress));
    this.#inProgress.add(id);
  }

  addEvent(event: FleetEvent): void {
    this.#events.push(event);
  }

  /** The first outcome of each signal wins; of pauses, the newest. */
  raise(id: MigrationId, { name, outcome }: RaisedSignal): void {
    const known = this.#raised.get(id) ?? new Map<string, Outcome>();
    const before = known.get(name);
    const isNewer = (outcome.pause ?? 0) > (before?.pause ?? 0);
    if (before === undefined || isNewer) known.set(name, outcome);
    this.#raised.set(id, known);
  }

  async write(): Promise<void> {
    const rows = this.#rows.splice(0);
    const events = this.#events.splice(0);
    const raised = [...this.#raised];
    const inProgress = [...this.#inProgress];
    this.#raised.clear();
    this.#inProgress.clear();
    // Signals first: workflows wait for them.
    await Promise.all(
      raised.map(([id, outcomes]) =>
        raiseSignals(
          id,
          [...outcomes].map(([name, outcome]) => ({ name, outcome })),
        ),
      ),
    );
    const addAll = () => addRows([...rows, ...events.map(eventRow)]);
    await Promise.all([inTime(addAll, events), ...inProgress.map(keepWaitsAlive)]);
  }
}
