import type { Migration } from "../../core/migration/migration.ts";
import type { Move } from "./move.ts";

type Bar = { label: string; tag: string; fromMs: number; toMs: number };
const BAR_MS_MIN = 1;

/**
 * A migration's record as a Mermaid gantt chart. Phases by the cloud's clock, the rest by the
 * hosts'; the time axis is the clock.
 */
export function diagram({ migration, timeline }: Move): string {
  const sections = [
    { name: "cloud", bars: phaseBars(migration) },
    { name: "guest", bars: guestBars(migration) },
    { name: "devices", bars: deviceBars(migration) },
  ];
  const marks = timeline
    .filter(({ origin, type }) => origin !== "cloud" && type.startsWith("migration."))
    .map(({ at, origin, type, detail }) => {
      const pending = typeof detail.pending === "number" ? ` ${detail.pending}` : "";
      const label = `${type.replace("migration.", "")}${pending} (${origin})`;
      return `  ${label} :milestone, ${Date.parse(at)}, 0ms`;
    });
  const bars = sections.flatMap(({ name, bars: these }) =>
    these.length === 0 ? [] : [`  section ${name}`, ...these.map(line)],
  );
  return [
    "```mermaid",
    "gantt",
    `  title ${titleOf(migration)}`,
    "  dateFormat x",
    "  axisFormat %S.%L s",
    ...bars,
    ...(marks.length === 0 ? [] : ["  section events of the agents", ...marks]),
    "```",
  ].join("\n");
}

function titleOf({ ack, figures, status }: Migration): string {
  const downtime = figures === undefined ? "no downtime" : `downtime ${figures.downtimeMs} ms`;
  return `${status}, ACK ${ack?.mode ?? "none"} (${ack?.evidence ?? "no evidence"}), ${downtime}`;
}

/** A phase ends when the next begins, the last one with the migration. */
function phaseBars({ phases, endedAt, updatedAt }: Migration): Bar[] {
  return phases.map(({ name, startedAt }, index) => ({
    label: name,
    tag: "",
    fromMs: Date.parse(startedAt),
    toMs: Date.parse(phases[index + 1]?.startedAt ?? endedAt ?? updatedAt),
  }));
}

function guestBars(migration: Migration): Bar[] {
  const { startedAtMs, stoppedAtMs, targetRunningAtMs, endedAt, source, target } = migration;
  if (startedAtMs === undefined) return [];
  const endMs = Date.parse(endedAt ?? migration.updatedAt);
  const stopMs = stoppedAtMs ?? endMs;
  const onSource = {
    label: `runs on ${source}`,
    tag: "active, ",
    fromMs: startedAtMs,
    toMs: stopMs,
  };
  if (targetRunningAtMs === undefined) return [onSource];
  return [
    onSource,
    { label: "stands still", tag: "crit, ", fromMs: stopMs, toMs: targetRunningAtMs },
    { label: `runs on ${target}`, tag: "active, ", fromMs: targetRunningAtMs, toMs: endMs },
  ];
}

function deviceBars({ startedAtMs, ack, agreement }: Migration): Bar[] {
  if (startedAtMs === undefined || ack?.ackedAtMs === undefined) return [];
  const label = `${agreement?.ackDevices.join(" and ") || "no device"}: initial state is loaded`;
  return [{ label, tag: "", fromMs: startedAtMs, toMs: ack.ackedAtMs }];
}

function line({ label, tag, fromMs, toMs }: Bar): string {
  const from = Math.round(fromMs);
  return `  ${label} :${tag}${from}, ${Math.max(Math.round(toMs), from + BAR_MS_MIN)}`;
}
