import type { AgentMetric, Labels } from "../../core/metrics.ts";
import type { Reading } from "../../core/open-metrics.ts";
import type { FoundGuests } from "../../core/protocol/found-guest.ts";
import type { Guest } from "../guest/guest.ts";
import type { Guests } from "../guest/guests.ts";
import { AGENT_VERSION } from "../runtime/version.ts";

const UNKNOWN = "unknown";

export type Seen = {
  readonly guests: Pick<Guests, "all" | "memoryBytes" | "migratingCount">;
  readonly outbox: { readonly pending: number; readonly oldestAtMs: number | undefined };
  /** Of the binary that guests are started with; undefined before it was probed. */
  readonly qemu: string | undefined;
  readonly isConnected: boolean;
  readonly startedAtMs: number;
  /** QEMUs on this host; undefined before they were looked for. */
  readonly found: FoundGuests | undefined;
};

/** What the agent shows of its host now. No label names a guest. */
export function agentReadings(seen: Seen): Reading[] {
  const { guests, outbox, qemu = UNKNOWN, isConnected, startedAtMs, found } = seen;
  const readings: Reading[] = [];
  const add = (metric: AgentMetric, value: number | undefined, labels: Labels = {}) => {
    if (value !== undefined) readings.push({ metric, labels, value });
  };
  add("switchyard_agent_build_info", 1, { version: AGENT_VERSION, qemu });
  add("switchyard_agent_start_timestamp_seconds", startedAtMs / 1000);
  add("switchyard_agent_connected", isConnected ? 1 : 0);
  add("switchyard_agent_events_queued", outbox.pending);
  add("switchyard_agent_oldest_event_timestamp_seconds", inSeconds(outbox.oldestAtMs));
  const states = countBy(guests.all, ({ runState }) => runState.current ?? UNKNOWN);
  for (const [run_state, count] of states) add("switchyard_agent_guests", count, { run_state });
  for (const [version, count] of countBy(guests.all, qemuOf)) {
    add("switchyard_agent_guest_qemu", count, { version });
  }
  add("switchyard_agent_guest_memory_bytes", guests.memoryBytes);
  add("switchyard_agent_migrations", guests.migratingCount);
  const others = found?.items.filter(({ owner }) => owner !== "switchyard") ?? [];
  for (const [owner, count] of countBy(others, (one) => one.owner)) {
    add("switchyard_agent_other_qemus", count, { owner });
  }
  return readings;
}

/** As QEMU said when its monitor was opened. */
function qemuOf({ monitor }: Guest): string {
  const version = monitor.version?.qemu;
  return version === undefined ? UNKNOWN : `${version.major}.${version.minor}.${version.micro}`;
}

function countBy<T>(some: readonly T[], label: (one: T) => string): Map<string, number> {
  const groups = Map.groupBy(some, label);
  return new Map([...groups].map(([name, members]) => [name, members.length]));
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
