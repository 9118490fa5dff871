import { createRandom, type Random } from "../../../emulators/qemu/random.ts";

/** What happens to an evacuation while it runs: requests of people, and parts that are killed. */
export const actKinds = [
  "pause",
  "resume",
  "cancel",
  "rollback",
  "skip",
  "uncordon",
  "cancel-migration",
  "cordon",
  "freeze",
  "kill-coordinator",
  "kill-agent",
] as const;
export type ActKind = (typeof actKinds)[number];

export type Act = {
  readonly kind: ActKind;
  /** After the approval, or, for one that comes later, after the end. */
  readonly atMs: number;
  /** A killed part is started again, and a cordon or a change freeze is ended, after so long. */
  readonly forMs: number;
  /** Which of the guests or hosts: the caller takes the rest of a division. */
  readonly which: number;
};

export const HOSTS = ["host-a", "host-b", "host-c"] as const;

const ACTS_MAX = 4;
/** About how long four guests take on the model, so that acts meet every part of it. */
const SPAN_MS = 9_000;

/** How often each is drawn, beside the others. */
const weights: Readonly<Record<ActKind, number>> = {
  pause: 4,
  resume: 3,
  cancel: 2,
  rollback: 3,
  skip: 2,
  uncordon: 1,
  "cancel-migration": 1,
  cordon: 2,
  freeze: 2,
  "kill-coordinator": 4,
  "kill-agent": 3,
};

/** The acts of a run, in the order of their times. The same numbers draw the same ones. */
export function drawActs(seed: number, run: number): Act[] {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(run, 0x85ebca6b));
  const count = whole(random, 1, ACTS_MAX);
  const drawn = Array.from({ length: count }, () => ({
    kind: drawKind(random),
    atMs: whole(random, 0, SPAN_MS),
    forMs: whole(random, 100, 4_000),
    which: whole(random, 0, 1_000),
  }));
  return drawn.toSorted((one, other) => one.atMs - other.atMs);
}

export function describeAct({ kind, atMs, forMs }: Act): string {
  const isTimed = kind.startsWith("kill") || kind === "cordon" || kind === "freeze";
  const kept = isTimed ? ` for ${forMs} ms` : "";
  return `${kind} at ${atMs} ms${kept}`;
}

function drawKind(random: Random): ActKind {
  const all = actKinds.flatMap((kind) => Array<ActKind>(weights[kind]).fill(kind));
  return all[whole(random, 0, all.length - 1)] ?? "pause";
}

function whole(random: Random, min: number, max: number): number {
  return min + Math.floor(random.next() * (max - min + 1));
}
