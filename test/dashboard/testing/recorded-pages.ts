import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Evacuation } from "../../../core/evacuation/evacuation.ts";
import type { Migration } from "../../../core/migration/migration.ts";

const FILE = join(import.meta.dirname, "../../../dashboard/preview/recording.json");

/** Each page of the dashboard with its address in the preview, with every state that was recorded. */
export function recordedPages(): [name: string, hash: string][] {
  const { answers } = JSON.parse(readFileSync(FILE, "utf8")) as {
    answers: Record<string, unknown>;
  };
  const found = <T>(path: RegExp) =>
    Object.keys(answers).flatMap((key) => (path.test(key) ? [answers[key] as T] : []));
  const migrations = found<Migration>(/^GET \/v1\/migrations\/mig_\w+$/);
  const evacuations = found<Evacuation>(/^GET \/v1\/evacuations\/evac_\w+$/);
  const firstOfEach = <T extends { id: string }>(all: readonly T[], kindOf: (one: T) => string) => [
    ...new Map(all.toReversed().map((one) => [kindOf(one), one])),
  ];
  return [
    ["overview", "#/"],
    ["migrations", "#/migrations"],
    ...firstOfEach(migrations, ({ status, gate }) => (gate === undefined ? status : "held")).map(
      ([kind, { id }]): [string, string] => [`migration ${kind}`, `#/migrations/${id}`],
    ),
    ["evacuations", "#/evacuations"],
    ...firstOfEach(evacuations, ({ status }) => status).map(([kind, { id }]): [string, string] => [
      `evacuation ${kind}`,
      `#/evacuations/${id}`,
    ]),
    ["schedules", "#/schedules"],
    ["hosts", "#/hosts"],
    ["host draining", "#/hosts/host-a"],
    ["host silent", "#/hosts/host-d"],
    ["VMs", "#/vms"],
    ["VM that has moved", "#/vms/web1"],
    ["VM that cannot move", "#/vms/gpu-1"],
    ["failures", "#/failures"],
    ["missing", "#/nonsense"],
  ];
}
