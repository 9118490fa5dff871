import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import type { EvacuationMove } from "../../core/evacuation/evacuation.ts";
import { bytes, duration } from "../../core/format.ts";
import type { Input } from "../input.ts";
import { type Column, wrap } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { countText, hostNames } from "../watch/evacuation-lines.ts";
import { isOver } from "../watch/exit-of-evacuation.ts";

type Evacuation = Awaited<ReturnType<Client["getEvacuation"]>>;
type Figures = { readonly predicted?: number | undefined; readonly real?: number | undefined };

const LABEL_WIDTH = 10;

export const reportVerb: Verb = {
  name: "report",
  summary: "Compare what was predicted with what happened, for the whole and for each VM",
  operations: ["getEvacuation", "listEvacuationMoves"],
  arguments: [{ name: "<evacuation>", summary: "id of the evacuation", of: "evacuation" }],
  details:
    "Figures of a VM are those of its last try; predictions those of the version that gave it its\n" +
    "target. TIME is that with slots, from the first pass to the end, which PREDICTED predicts;\n" +
    "TRANSFER of it is QEMU's own figure, and TOOK is the whole try without its wait for slots.\n" +
    "Before the end it shows what there is so far.",
  run: runReport,
};

async function runReport({ api, output }: Session, input: Input): Promise<undefined> {
  const id = input.argument(0);
  const evacuation = await api.getEvacuation(id);
  const moves = await allOf((page) => api.listEvacuationMoves(id, page));
  if (output.format === "json") {
    output.json({ ...summaryOf(evacuation, moves), moves });
    return undefined;
  }
  if (output.isForPeople) {
    for (const [label, text] of reportRows(evacuation, moves)) {
      for (const [place, part] of wrap(text, output.width - LABEL_WIDTH, "  ").entries()) {
        output.text(`${(place === 0 ? label : "").padEnd(LABEL_WIDTH)}${part}`);
      }
    }
    output.text("");
  }
  output.list(moves, columns, ({ vm }) => vm, "No VM has begun to move");
  return undefined;
}

/** The figures of the whole, for programs; times in ms. */
export function summaryOf(evacuation: Evacuation, moves: readonly EvacuationMove[]) {
  const { id, status, hosts, counters, eta } = evacuation;
  const downtimes = moves.flatMap((move) => downtimeOf(move).real ?? []).toSorted((a, b) => a - b);
  const sent = moves.map(bytesOf);
  return {
    evacuation: id,
    status,
    hosts: hosts.map(({ host }) => host),
    counters,
    makespan: {
      predictedMs: eta.plannedMs,
      lowMs: eta.lowMs,
      highMs: eta.highMs,
      lowerBoundMs: eta.lowerBoundMs,
      ...(eta.realMs === undefined ? {} : { realMs: eta.realMs }),
      ...(eta.ratio === undefined ? {} : { ratio: eta.ratio }),
    },
    ...etaErrors(evacuation),
    downtimeMs: {
      p50: at(downtimes, 0.5),
      p99: at(downtimes, 0.99),
      longest: downtimes.at(-1),
      budget: evacuation.policy.downtimeBudgetMs,
    },
    sentBytes: {
      predicted: sum(sent.map(({ predicted }) => predicted)),
      real: sum(sent.map(({ real }) => real)),
    },
    retries: sum(moves.map(({ tries }) => Math.max(0, tries.length - 1))),
  };
}

/** How far the predictions were off, as a share of the real time. */
function etaErrors({ eta }: Evacuation) {
  const { realMs, plannedMs, halfwayEndMs } = eta;
  if (realMs === undefined || realMs === 0) return {};
  const off = (predictedMs: number) => (predictedMs - realMs) / realMs;
  return {
    etaError: {
      atStart: off(plannedMs),
      ...(halfwayEndMs === undefined ? {} : { atHalfway: off(halfwayEndMs) }),
    },
  };
}

function reportRows(
  evacuation: Evacuation,
  moves: readonly EvacuationMove[],
): [label: string, text: string][] {
  const { etaError, downtimeMs, sentBytes, retries, makespan } = summaryOf(evacuation, moves);
  const { realMs, ratio, predictedMs, lowMs, highMs, lowerBoundMs } = makespan;
  const took = realMs === undefined ? "" : `took ${duration(realMs)}, `;
  const bound = `lower bound ${duration(lowerBoundMs)}${ratio === undefined ? "" : `: ${ratio.toFixed(2)} ×`}`;
  const errors = [
    etaError && `${percent(etaError.atStart)} at the start`,
    etaError?.atHalfway !== undefined && `${percent(etaError.atHalfway)} at half-way`,
  ].filter((part) => typeof part === "string");
  const { p50, p99, longest, budget } = downtimeMs;
  const spread =
    p50 === undefined || p99 === undefined || longest === undefined
      ? "none yet"
      : `p50 ${duration(p50)}, p99 ${duration(p99)}, longest ${duration(longest)}`;
  const rows: [string, string][] = [
    ["report", `${evacuation.id}, ${hostNames(evacuation)}, ${evacuation.status}`],
    ["vms", `${countText(evacuation)}, ${retries} tried again`],
    [
      "time",
      `${took}predicted ${duration(predictedMs)} (${duration(lowMs)} to ${duration(highMs)})`,
    ],
    ["bound", bound],
    ["ETA off", errors.join(", ")],
    ["downtime", budget === undefined ? spread : `${spread}, budget ${duration(budget)}`],
    ["sent", `${bytes(sentBytes.real)}, predicted ${bytes(sentBytes.predicted)}`],
  ];
  const isRunning = !isOver(evacuation);
  return rows
    .filter(([, text]) => text !== "")
    .concat(isRunning ? [["", "It has not ended: figures so far."]] : []);
}

const columns: readonly Column<EvacuationMove>[] = [
  { name: "VM", text: ({ vm }) => vm },
  { name: "STATE", text: ({ state }) => state },
  { name: "TRIES", text: ({ tries }) => String(tries.length), right: true },
  figure("TIME", (move) => timeOf(move).real, duration),
  figure("PREDICTED", (move) => timeOf(move).predicted, duration),
  figure("DOWNTIME", (move) => downtimeOf(move).real, duration),
  figure("EXPECTED", (move) => downtimeOf(move).predicted, duration),
  { ...figure("TRANSFER", ({ tries }) => tries.at(-1)?.transferMs, duration), wide: true },
  { ...figure("TOOK", ({ tries }) => tries.at(-1)?.ms, duration), wide: true },
  { name: "FROM", text: ({ source }) => source, wide: true },
  { name: "TO", text: ({ target }) => target ?? "", wide: true },
  { ...figure("SENT", (move) => bytesOf(move).real, bytes), wide: true },
  { ...figure("PREDICTED SENT", (move) => bytesOf(move).predicted, bytes), wide: true },
  { name: "REASON", text: ({ reason }) => reason ?? "", wide: true },
];

function figure(
  name: string,
  read: (move: EvacuationMove) => number | undefined,
  write: (value: number) => string,
): Column<EvacuationMove> {
  return {
    name,
    text: (move) => {
      const value = read(move);
      return value === undefined ? "" : write(value);
    },
    right: true,
    sortBy: (move) => read(move) ?? -1,
  };
}

function timeOf({ predictedMs, tries }: EvacuationMove): Figures {
  return { predicted: predictedMs, real: tries.at(-1)?.slotMs };
}

function downtimeOf({ predictedDowntimeMs, tries }: EvacuationMove): Figures {
  return { predicted: predictedDowntimeMs, real: tries.at(-1)?.downtimeMs };
}

function bytesOf({ predictedBytes, tries }: EvacuationMove): Figures {
  return { predicted: predictedBytes, real: tries.at(-1)?.bytes };
}

function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** Of values in their order, the smallest that this share of them does not exceed. */
function at(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.ceil(share * sorted.length) - 1];
}

function percent(share: number): string {
  const whole = Math.round(share * 100);
  return whole === 0 ? "0 %" : `${Math.abs(whole)} % too ${whole > 0 ? "long" : "short"}`;
}
