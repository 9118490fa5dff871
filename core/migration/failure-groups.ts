import type { Migration } from "./migration.ts";

type Failed = Pick<Migration, "vm" | "status" | "failure" | "createdAt">;

export type FailureGroup = {
  readonly code: string;
  readonly count: number;
  readonly vms: readonly string[];
  readonly lastAt: string;
  readonly state: string;
  readonly cure: string;
  readonly needsPerson: boolean;
};

/** Migrations that failed, or whose end is unknown, by their code; what needs a person first. */
export function groupFailures(migrations: readonly Failed[]): FailureGroup[] {
  const failed = migrations.filter(({ status }) => status === "failed" || status === "unknown");
  const groups = Map.groupBy(failed, ({ failure }) => failure?.code ?? "unknown-state");
  return [...groups]
    .map(([code, members]): FailureGroup => {
      const newest = members.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
      return {
        code,
        count: members.length,
        vms: [...new Set(members.map(({ vm }) => vm))],
        lastAt: newest?.createdAt ?? "",
        state: newest?.failure?.state ?? "",
        cure: newest?.failure?.cure ?? "",
        needsPerson: members.some(({ status }) => status === "unknown"),
      };
    })
    .toSorted((a, b) => Number(b.needsPerson) - Number(a.needsPerson) || b.count - a.count);
}
