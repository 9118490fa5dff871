import { GetExecutionHistoryCommand, SFNClient } from "@aws-sdk/client-sfn";
import type { Migration } from "../core/migration/migration.ts";
import { findParameter } from "../core/qemu/parameters.ts";
import type { Qemu } from "../rig/qemu.ts";

/** What the demo shows, in one object. Times in ms. */
export type Summary = {
  qemu: { real: boolean; source: string; target: string };
  status: string;
  ack: { mode: string; evidence: string | null };
  /** QEMU's own figure. */
  downtimeMs: number | null;
  /** STOP on the source to RESUME on the target, by QEMU's timestamps. */
  blackoutMs: number | null;
  /** From the POST to the record being completed. */
  totalMs: number;
  /** `totalMs` less QEMU's total-time and the start of the target's QEMU. */
  overheadMs: number | null;
  /** State transitions of the workflow. */
  transitions: number;
  guest: { counterBefore: number; counterAfter: number; memoryErrors: number };
  runningOn: string | null;
  phases: { name: string; ms: number }[];
  choices: { subject: string; value: unknown; reason: string }[];
  machineType: string | null;
  failure: unknown;
};

export function summarize(
  migration: Migration,
  rest: Pick<Summary, "guest" | "transitions"> & { source: Qemu; target: Qemu },
): Summary {
  const { source, target, guest, transitions } = rest;
  const endedAt = Date.parse(migration.endedAt ?? migration.updatedAt);
  const totalMs = endedAt - Date.parse(migration.createdAt);
  const { figures, targetStartMs, stoppedAtMs, targetRunningAtMs } = migration;
  const known = figures !== undefined && targetStartMs !== undefined;
  const stopped = stoppedAtMs !== undefined && targetRunningAtMs !== undefined;
  return {
    qemu: {
      real: source.real && target.real,
      source: source.version,
      target: target.version,
    },
    status: migration.status,
    ack: {
      mode: migration.ack?.mode ?? "none",
      evidence: migration.ack?.evidence ?? null,
    },
    downtimeMs: figures?.downtimeMs ?? null,
    blackoutMs: stopped ? round(targetRunningAtMs - stoppedAtMs) : null,
    totalMs,
    overheadMs: known ? round(totalMs - figures.totalTimeMs - targetStartMs) : null,
    transitions,
    guest,
    runningOn: migration.runningOn ?? null,
    phases: phaseTimes(migration),
    choices: migration.agreement?.choices ?? [],
    machineType: migration.agreement?.machineType ?? null,
    failure: migration.failure ?? null,
  };
}

/** A phase ends when the next begins, the last one with the migration. */
export function phaseTimes(migration: Migration): { name: string; ms: number }[] {
  const end = migration.endedAt ?? migration.updatedAt;
  return migration.phases.map((phase, index) => {
    const until = migration.phases[index + 1]?.startedAt ?? end;
    return { name: phase.name, ms: Date.parse(until) - Date.parse(phase.startedAt) };
  });
}

/** Waits for the end of an execution's history, then counts the states it entered. */
export async function countTransitions(
  executionArn: string,
  environment: Record<string, string>,
): Promise<number> {
  const sfn = new SFNClient({
    region: environment.AWS_REGION ?? "us-east-1",
    endpoint: environment.AWS_ENDPOINT_URL_SFN ?? "",
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
    },
  });
  try {
    let entered = 0;
    let nextToken: string | undefined;
    do {
      const page = await sfn.send(new GetExecutionHistoryCommand({ executionArn, nextToken }));
      entered += (page.events ?? []).filter((event) =>
        /StateEntered$/.test(event.type ?? ""),
      ).length;
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return entered;
  } finally {
    sfn.destroy();
  }
}

/** @param options.verbose also the parameters that were left at QEMU's defaults */
export function printSummary(summary: Summary, { verbose }: { verbose: boolean }): void {
  const { guest, ack } = summary;
  console.log();
  printLine("Status", summary.status);
  printLine("Runs on", summary.runningOn ?? "unknown");
  printLine(
    "Downtime",
    `${ms(summary.downtimeMs)} by QEMU; ${ms(summary.blackoutMs)} from STOP to RESUME`,
  );
  printLine("Switchover ACK", `${ack.mode}, evidence: ${ack.evidence ?? "none"}`);
  printLine("Total", `${ms(summary.totalMs)}, Switchyard's share ${ms(summary.overheadMs)}`);
  printLine("Transitions", String(summary.transitions));
  printLine(
    "Guest",
    `counter ${guest.counterBefore} → ${guest.counterAfter}, memory errors ${guest.memoryErrors}`,
  );
  printLine("Machine type", summary.machineType ?? "unknown");
  console.log("Phases");
  for (const { name, ms: took } of summary.phases) console.log(`  ${name.padEnd(12)} ${ms(took)}`);
  printChoices(summary, verbose);
  if (summary.failure !== null) printLine("Failure", JSON.stringify(summary.failure));
}

function printLine(name: string, value: string): void {
  console.log(`${name.padEnd(14)} ${value}`);
}

function printChoices({ choices }: Summary, verbose: boolean): void {
  const defaults = choices.filter(isDefault);
  console.log("Choices");
  for (const choice of choices) {
    if (!verbose && isDefault(choice)) continue;
    console.log(`  ${choice.subject} = ${String(choice.value)}: ${choice.reason}`);
  }
  if (verbose || defaults.length === 0) return;
  console.log(`  ${defaults.length} parameters are set to QEMU's defaults (--verbose lists them)`);
}

/** A parameter whose value is QEMU's own default: nobody chose it. */
function isDefault({ subject, value }: Summary["choices"][number]): boolean {
  const parameter = findParameter(subject);
  return parameter !== undefined && parameter.default === value;
}

function ms(value: number | null): string {
  return value === null ? "unknown" : `${value} ms`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
