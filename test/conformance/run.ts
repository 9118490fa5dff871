import { setTimeout as sleep } from "node:timers/promises";
import type { Dialogue } from "./dialogue.ts";
import { type KnownDifference, knownDifferences } from "./known-differences.ts";
import { Stage, type Step } from "./stage.ts";
import type { Subject } from "./subject.ts";

/** Longer than any dialogue needs on a busy machine; QEMUs still alive then are killed. */
const dialogueTimeoutMs = 10_000;

export type Outcome = {
  dialogue: string;
  claim: string;
  subject: string;
  verdict: "passed" | "failed";
  /** Every step, in order: the transcript. */
  steps: Step[];
  /** Steps that differ and are not known to, and known differences that do not differ. */
  differences: string[];
  known: string[];
  durationMs: number;
};

export function appliesTo(dialogue: Dialogue, subject: Subject): boolean {
  return dialogue.versions === undefined || dialogue.versions.includes(subject.generation);
}

/** Plays one dialogue. Never rejects: what goes wrong is a difference. */
export async function play(dialogue: Dialogue, subject: Subject): Promise<Outcome> {
  const startMs = performance.now();
  const stage = await Stage.open(subject);
  const stop = new AbortController();
  const troubles: string[] = [];
  try {
    await Promise.race([dialogue.play(stage), deadline(stop.signal)]);
  } catch (error) {
    troubles.push(error instanceof Error ? error.message : String(error));
  } finally {
    stop.abort();
    await stage.close();
  }
  const { name, claim } = dialogue;
  if (stage.steps.length === 0) troubles.push("no step was taken");
  const { differences, known } = judge(stage.steps, knownFor(dialogue, subject));
  const all = [...differences, ...troubles];
  return {
    dialogue: name,
    claim,
    subject: subject.name,
    verdict: all.length === 0 ? "passed" : "failed",
    steps: stage.steps,
    differences: all,
    known,
    durationMs: Math.round(performance.now() - startMs),
  };
}

async function deadline(signal: AbortSignal): Promise<never> {
  await sleep(dialogueTimeoutMs, undefined, { signal }).catch(() => undefined);
  throw new Error(`not over after ${dialogueTimeoutMs} ms`);
}

function knownFor(dialogue: Dialogue, subject: Subject): KnownDifference[] {
  return knownDifferences.filter(
    (known) => known.dialogue === dialogue.name && subject.name.startsWith(known.subject),
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
