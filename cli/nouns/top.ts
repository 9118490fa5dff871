import { setTimeout as sleep } from "node:timers/promises";
import { createLogUpdate } from "log-update";
import type { Client } from "../../client/client.ts";
import { entriesOf } from "../../client/pages.ts";
import { bytes, duration, rate } from "../../core/format.ts";
import { remainingBytes } from "../../core/migration/estimate.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Input } from "../input.ts";
import { type Column, renderTable } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { isOver } from "../watch/exit-of-evacuation.ts";
import { endText } from "../watch/migration-lines.ts";
import { bar } from "../watch/sparkline.ts";
import type { Migration } from "./migration-rows.ts";

type Fleet = Awaited<ReturnType<Client["getFleet"]>>;
type Moving = Fleet["migrations"][number];
type Evacuation = Awaited<ReturnType<Client["getEvacuation"]>>;

const EVERY_MS = 2_000;
const HOUR_MS = 3_600_000;
/** How often the last hour is read again: it is a list of up to thousands. */
const HOUR_EVERY_MS = 15_000;
const LINKS_MAX = 4;
/** The newest ones, of which those that are under way are shown, up to a number of lines. */
const EVACUATIONS_READ = 20;
const EVACUATIONS_MAX = 4;
const BAR_WIDTH = 10;

export const top: Verb = {
  name: "top",
  summary: "Show the fleet live: evacuations, migrations, links, the last hour",
  operations: ["getFleet", "listEvacuations", "listMigrations"],
  options: [
    { flags: "--once", summary: "print one frame and end (default in a pipe)" },
    { flags: "--every <time>", summary: "how often it is read (default 2s)" },
  ],
  details: "q or Ctrl-C ends it. -o ndjson writes each snapshot of the fleet as a line.",
  run: runTop,
};

async function runTop(session: Session, input: Input): Promise<ExitName | undefined> {
  const { api, output } = session;
  const everyMs = Math.max(100, input.durationMs("every") ?? EVERY_MS);
  const isStream = output.format === "ndjson";
  const isOnce = input.flag("once") || !(isStream || output.terminal.showsAnswers);
  const end = new AbortController();
  const release = listenForEnd(end);
  const update = isOnce || isStream ? undefined : createLogUpdate(process.stdout);
  let hour: { readMs: number; migrations: Migration[] } | undefined;
  try {
    for (;;) {
      const fleet = await api.getFleet();
      if (!output.isForPeople) {
        if (isStream) output.event(fleet);
        else output.object(fleet, "fleet", []);
      } else {
        if (hour === undefined || Date.now() - hour.readMs > HOUR_EVERY_MS) {
          hour = { readMs: Date.now(), migrations: await lastHour(session) };
        }
        const { items } = await api.listEvacuations({ limit: EVACUATIONS_READ });
        const seen = { fleet, evacuations: items.filter(isUnderWay), hour: hour.migrations };
        const lines = topLines(seen, output.width);
        if (update === undefined) for (const line of lines) output.text(line);
        else update([...lines, "", "q ends"].join("\n"));
      }
      if (isOnce) return undefined;
      await sleep(everyMs, undefined, { signal: end.signal }).catch(() => undefined);
      if (end.signal.aborted) return undefined;
    }
  } finally {
    update?.done();
    release();
  }
}

async function lastHour({ api }: Session): Promise<Migration[]> {
  const found: Migration[] = [];
  for await (const one of entriesOf(api.listMigrations)) {
    if (Date.parse(one.createdAt) < Date.now() - HOUR_MS) break;
    found.push(one);
  }
  return found;
}

/** Ends by `q`, Ctrl-C or the signal of it; the returned function gives the terminal back. */
function listenForEnd(end: AbortController): () => void {
  const abort = () => end.abort();
  const onKey = (key: Buffer) => {
    if (["q", "\u0003"].includes(key.toString())) abort();
  };
  process.on("SIGINT", abort);
  const isKeyboard = process.stdin.isTTY === true;
  if (isKeyboard) process.stdin.setRawMode(true).on("data", onKey);
  return () => {
    process.removeListener("SIGINT", abort);
    if (isKeyboard) process.stdin.setRawMode(false).off("data", onKey).pause();
  };
}

type Seen = {
  readonly fleet: Fleet;
  readonly evacuations: readonly Evacuation[];
  readonly hour: readonly Migration[];
};

/** One frame. */
export function topLines({ fleet, evacuations, hour }: Seen, width: number): string[] {
  const { hosts, migrations } = fleet;
  const running = migrations.filter(({ status }) => status === "running");
  const unknown = migrations.length - running.length;
  const waiting = running.filter(({ phase }) => phase === "admit").length;
  const vms = hosts.reduce((sum, host) => sum + host.vms, 0);
  const head = [
    `switchyard   ${hosts.length} hosts, ${vms} VMs`,
    `${running.length - waiting} moving, ${waiting} waiting`,
    unknown === 0 ? "" : `! ${unknown} unknown`,
  ];
  return [
    head.filter((part) => part !== "").join("   "),
    ...evacuations.slice(0, EVACUATIONS_MAX).map(evacuationLine),
    ...linkLines(running),
    ...(running.length === 0 ? [] : renderTable(running, columns, width)),
    hourLine(hour),
  ];
}

function isUnderWay(evacuation: Evacuation): boolean {
  return evacuation.status !== "planned" && !isOver(evacuation);
}

function evacuationLine({ id, status, hosts, counters, eta }: Evacuation): string {
  const [first, ...more] = hosts.map(({ host }) => host);
  const names = more.length === 0 ? first : `${first} and ${more.length} more`;
  const left = eta.remainingMs === undefined ? "" : `, ${duration(eta.remainingMs)} left`;
  const failed = counters.failed === 0 ? "" : `, ! ${counters.failed} failed`;
  return `${status}  ${names}  ${counters.moved} of ${counters.total} moved${failed}${left}  ${id}`;
}

/** What each source sends, the most first; with the share of its link where that is known. */
function linkLines(running: readonly Moving[]): string[] {
  const bySource = Map.groupBy(running, ({ source }) => source);
  const sent = [...bySource].map(([host, moves]) => ({
    host,
    rate: moves.reduce((sum, { progress }) => sum + (progress?.bandwidthBytesPerSecond ?? 0), 0),
    link: Math.max(...moves.map(({ prediction }) => prediction?.linkBytesPerSecond ?? 0)),
  }));
  const busiest = sent.filter((one) => one.rate > 0).toSorted((a, b) => b.rate - a.rate);
  return busiest.slice(0, LINKS_MAX).map(({ host, rate: now, link }) => {
    const share = link === 0 ? "" : `${bar(now / link, BAR_WIDTH)} of ${rate(link)}`;
    return `link out  ${host}  ${rate(now)}  ${share}`.trimEnd();
  });
}

const columns: Column<Moving>[] = [
  { name: "VM", text: ({ vm }) => vm },
  { name: "FROM", text: ({ source }) => source },
  { name: "TO", text: ({ target }) => target },
  { name: "PHASE", text: phaseText },
  { name: "LEFT", text: (one) => bytesOf(remainingBytes(one)) },
  { name: "RATE", text: ({ progress }) => rateOf(progress?.bandwidthBytesPerSecond) },
  { name: "DIRTY", text: ({ progress }) => rateOf(progress?.dirtyBytesPerSecond) },
  { name: "ENDS", text: endText },
];

function phaseText({ status, phase, progress, gate }: Moving): string {
  if (status === "unknown") return "! unknown";
  if (gate?.heldAtMs !== undefined && gate.openedAtMs === undefined) return "held";
  const pass = phase === "precopy" ? progress?.dirtySyncCount : undefined;
  return pass === undefined ? phase : `${phase} ${pass}`;
}

function bytesOf(count: number | undefined): string {
  return count === undefined ? "" : bytes(count);
}

function rateOf(count: number | undefined): string {
  return count === undefined ? "" : rate(count);
}

function hourLine(hour: readonly Migration[]): string {
  const completed = hour.filter(({ status }) => status === "completed");
  const failed = hour.filter(({ status }) => status === "failed").length;
  const downtimes = completed
    .flatMap(({ figures }) => figures?.downtimeMs ?? [])
    .toSorted((a, b) => a - b);
  const at = (share: number) => downtimes[Math.ceil(share * downtimes.length) - 1] ?? 0;
  const spread =
    downtimes.length === 0
      ? ""
      : `, downtime p50 ${duration(at(0.5))}, p99 ${duration(at(0.99))}, worst ${duration(at(1))}`;
  return `last hour   ${completed.length} done, ${failed} failed${spread}`;
}
