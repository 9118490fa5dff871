import type { Migration, TimelineEntry } from "../../core/migration/migration.ts";
import type { VfioFleet } from "./fleet.ts";
import type { Move } from "./move.ts";

export type ScenarioContext = {
  fleet: VfioFleet;
  /** Migrations per figure that is a median. */
  runs: number;
  print: (line: string) => void;
};

/** The figures of a scenario that passed. */
export type Observation = {
  /** The migration that its figures are of, and that a diagram shows. */
  move?: Move;
  /** Median where there was more than one. */
  downtimeMs?: number;
  /** Downtime with the ACK by downtime without. */
  ratio?: number;
  [figure: string]: unknown;
};

/** Fails by throwing. */
export type Scenario = {
  name: string;
  claim: string;
  run: (context: ScenarioContext) => Promise<Observation>;
};

export type Result = {
  name: string;
  ok: boolean;
  /** QEMU's own figure, ms; null when the guest was not moved. */
  downtimeMs: number | null;
  ack: AckFigures | null;
  error?: string;
  [figure: string]: unknown;
};

/** Times in ms after `migrate`; null when it did not happen. */
type AckFigures = {
  mode: string;
  evidence: string | null;
  ackMs: number | null;
  stopMs: number | null;
};

/** One line about a move. */
export function describeMove(move: Move): string {
  const { ackMs, stopMs, mode } = ackFigures(move.migration);
  const { status, figures } = move.migration;
  return `${status}, ACK ${mode} after ${ackMs ?? "-"} ms, STOP after ${stopMs ?? "-"} ms, downtime ${figures?.downtimeMs ?? "-"} ms`;
}

export function ackFigures({ ack, startedAtMs, stoppedAtMs }: Migration): AckFigures {
  const after = (atMs: number | undefined) =>
    atMs === undefined || startedAtMs === undefined ? null : Math.round(atMs - startedAtMs);
  return {
    mode: ack?.mode ?? "none",
    evidence: ack?.evidence ?? null,
    ackMs: after(ack?.ackedAtMs),
    stopMs: after(stoppedAtMs),
  };
}

export function entriesOf(timeline: readonly TimelineEntry[], type: string): TimelineEntry[] {
  return timeline.filter((entry) => entry.type === type);
}
