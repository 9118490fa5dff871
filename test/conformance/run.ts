import { setTimeout as sleep } from "node:timers/promises";
import type { Dialogue } from "./dialogue.ts";
import { type KnownDifference, knownDifferences } from "./known-differences.ts";
import { PATIENCE_MS } from "./patience.ts";
import { Stage, type Step } from "./stage.ts";
import type { Subject } from "./subject.ts";

/** Longer than any dialogue needs on a busy machine; QEMUs still alive then are killed. */
/** A dialogue waits several times, and each time may be long. */
const DIALOGUE_TIMEOUT_MS = 3 * PATIENCE_MS;

export type Outcome = {
  dialogue: string;
  claim: string;
  subject: string;
  verdict: "passed" | "failed" | "skipped";
  /** Every step, in order: the transcript. */
  steps: Step[];
  /** Unknown differences, and known differences that do not differ. */
  differences: string[];
  known: string[];
  durationMs: number;
};

export function appliesTo(dialogue: Dialogue, subject: Subject, target = subject): boolean {
  const { versions, between } = dialogue;
  if (between && !between(subject.generation, target.generation)) return false;
  return versions === undefined || versions.includes(subject.generation);
}

/**
 * Plays one dialogue, its targets with another QEMU if given. Never rejects: an error becomes a
 * difference.
 */
export async function play(
  dialogue: Dialogue,
  subject: Subject,
  target = subject,
): Promise<Outcome> {
  const startMs = performance.now();
  const { name, claim } = dialogue;
  const played = target === subject ? subject.name : `${subject.name} to ${target.name}`;
  const head = { dialogue: name, claim, subject: played };
  if (dialogue.needs === "userfaultfd" && !(await offersUserfaultfd(subject))) {
    const nothing = { steps: [], differences: [], known: [], durationMs: 0 };
    return { ...head, verdict: "skipped", ...nothing };
  }
  const { steps, trouble } = await playToTheEnd(dialogue, subject, target);
  const { differences, known } = judge(steps, knownFor(dialogue, played));
  const all = trouble === undefined ? differences : [...differences, trouble];
  const verdict = all.length === 0 ? "passed" : "failed";
  const durationMs = Math.round(performance.now() - startMs);
  return { ...head, verdict, steps, differences: all, known, durationMs };
}

const openStages = new Set<Stage>();

/** Ends every running QEMU, for a signal handler. */
export async function stopAll(): Promise<void> {
  await Promise.all([...openStages].map((stage) => stage.close()));
}

async function playToTheEnd(
  dialogue: Dialogue,
  subject: Subject,
  target: Subject,
): Promise<{ steps: Step[]; trouble: string | undefined }> {
  const stage = await Stage.open(subject, target);
  openStages.add(stage);
  const stop = new AbortController();
  let trouble: string | undefined;
  try {
    await Promise.race([dialogue.play(stage), deadline(stop.signal)]);
    if (stage.steps.length === 0) trouble = "no step was taken";
  } catch (error) {
    trouble = error instanceof Error ? error.message : String(error);
  } finally {
    stop.abort();
    await stage.close();
    openStages.delete(stage);
  }
  return { steps: stage.steps, trouble };
}

const userfaultfd = new Map<string, boolean>();

/**
 * Checked once for each QEMU: its target refuses postcopy where the host does not let it handle
 * page faults.
 */
async function offersUserfaultfd(subject: Subject): Promise<boolean> {
  const known = userfaultfd.get(subject.name);
  if (known !== undefined) return known;
  const stage = await Stage.open(subject);
  try {
    const target = await stage.vm("target", { incoming: true });
    const answer = await target.set("postcopy-ram");
    const offers = !String(answer).includes("Postcopy is not supported");
    userfaultfd.set(subject.name, offers);
    return offers;
  } finally {
    await stage.close();
  }
}

async function deadline(signal: AbortSignal): Promise<never> {
  await sleep(DIALOGUE_TIMEOUT_MS, undefined, { signal }).catch(() => undefined);
  throw new Error(`not over after ${DIALOGUE_TIMEOUT_MS} ms`);
}

function knownFor(dialogue: Dialogue, played: string): KnownDifference[] {
  return knownDifferences.filter(
    (known) => known.dialogue === dialogue.name && played.startsWith(known.subject),
  );
}

function judge(
  steps: Step[],
  known: KnownDifference[],
): { differences: string[]; known: string[] } {
  const reasons = new Map(known.map(({ step, reason }) => [step, reason]));
  const differences: string[] = [];
  const accepted: string[] = [];
  for (const step of steps) {
    const reason = reasons.get(step.step);
    if (!step.ok && reason === undefined) {
      const actual = JSON.stringify(step.actual);
      differences.push(`${step.step}: expected ${step.expected}, got ${actual}`);
    }
    if (!step.ok && reason !== undefined) accepted.push(`${step.step}: ${reason}`);
    if (step.ok && reason !== undefined) {
      differences.push(`${step.step}: is a known difference, but is as expected`);
    }
  }
  return { differences, known: accepted };
}
