import { remainingBytes } from "../../core/migration/estimate.ts";
import type { Migration, Sample, TimelineEntry } from "../api-types.ts";

/** Something that happened at one moment of a migration; `key` tells marks apart without colour. */
export type Mark = { readonly atMs: number; readonly key: string; readonly name: string };

/** The figures of a migration over time, as columns; null: not known at that moment. */
export type Course = {
  /** The first figure or mark: times count from there. */
  readonly startMs: number;
  readonly atSeconds: readonly number[];
  readonly leftBytes: readonly (number | null)[];
  readonly bandwidth: readonly (number | null)[];
  readonly dirty: readonly (number | null)[];
  readonly passes: readonly (number | null)[];
  readonly marks: readonly Mark[];
};

export function courseOf(
  migration: Migration,
  samples: readonly Sample[],
  timeline: readonly TimelineEntry[],
): Course {
  const figures = samples.map(({ progress }) => progress);
  const marks = marksOf(migration, timeline);
  const times = samples.map(({ at }) => Date.parse(at));
  const startMs = Math.min(...times.slice(0, 1), ...marks.slice(0, 1).map(({ atMs }) => atMs));
  return {
    startMs,
    atSeconds: times.map((ms) => (ms - startMs) / 1000),
    leftBytes: figures.map((progress) => remainingBytes({ progress }) ?? null),
    bandwidth: figures.map((progress) => progress.bandwidthBytesPerSecond ?? null),
    dirty: figures.map((progress) => progress.dirtyBytesPerSecond ?? null),
    passes: figures.map((progress) => progress.dirtySyncCount ?? null),
    marks,
  };
}

/** Whether QEMU has said anything to draw: a short migration is over before its first figures. */
export function hasFigures({ leftBytes, bandwidth, dirty }: Course): boolean {
  return [leftBytes, bandwidth, dirty].some((column) => column.some((value) => value !== null));
}

/** Moments worth a mark, in their order. Times are those of the clock that saw them. */
function marksOf(migration: Migration, timeline: readonly TimelineEntry[]): Mark[] {
  const { ack, gate, stoppedAtMs, targetRunningAtMs, postcopyAtMs } = migration;
  const known: [number | undefined, string, string][] = [
    [ack?.ackedAtMs, "A", "ACK"],
    [gate?.heldAtMs, "H", "held by its gate"],
    [gate?.openedAtMs, "O", "gate opened"],
    [stoppedAtMs, "S", "STOP"],
    [targetRunningAtMs, "R", "RESUME"],
    [postcopyAtMs, "P", "postcopy"],
  ];
  const moments = known.flatMap(([atMs, key, name]) =>
    atMs === undefined ? [] : { atMs, key, name },
  );
  const changes = timeline.flatMap(({ at, type, detail }): Mark[] => {
    const atMs = Date.parse(at);
    if (type === "migration.rung") {
      return [{ atMs, key: String(detail.rung ?? "↑"), name: `rung: ${String(detail.action)}` }];
    }
    if (type === "migration.bandwidth-set")
      return [{ atMs, key: "B", name: "bandwidth limit changed" }];
    return [];
  });
  return [...moments, ...changes].toSorted((a, b) => a.atMs - b.atMs);
}
