import { duration } from "../../core/format.ts";
import type { Column } from "../output/table.ts";
import type { Argument, Verb } from "../verb.ts";

/** A VM that goes home, or why it stays. */
type Row = {
  readonly vm: string;
  readonly source: string;
  readonly target: string;
  readonly startAtMs?: number;
  readonly endAtMs?: number;
  readonly reason?: string;
  readonly cure?: string;
};

const columns: readonly Column<Row>[] = [
  { name: "VM", text: ({ vm }) => vm },
  { name: "FROM", text: ({ source }) => source },
  { name: "TO", text: ({ target }) => target },
  { name: "STARTS AFTER", text: ({ startAtMs }) => timeText(startAtMs), right: true },
  { name: "ENDS AFTER", text: ({ endAtMs }) => timeText(endAtMs), right: true },
  { name: "REASON", text: ({ reason }) => reason ?? "" },
  { name: "CURE", text: ({ cure }) => cure ?? "", wide: true },
];

/** What a rollback would do, for whoever is about to ask for it. */
export function rollbackPlanVerb(id: Argument): Verb {
  return {
    name: "rollback-plan",
    summary: "Show what a rollback would do: who goes home, when, and why others stay",
    operations: ["getEvacuationRollback"],
    arguments: [id],
    run: async ({ api, output }, input) => {
      const plan = await api.getEvacuationRollback(input.argument(0));
      const going = plan.moves.map(({ vm, source, target, startAtMs, endAtMs }) => ({
        vm,
        source,
        target,
        startAtMs: Number(startAtMs),
        endAtMs: Number(endAtMs),
      }));
      const staying = plan.staying.map(({ vm, host, home, blockers }) => ({
        vm,
        source: host,
        target: home,
        reason: blockers.map(({ message }) => message).join("; "),
        cure: blockers.map(({ cure }) => cure).join("; "),
      }));
      if (output.isForPeople) {
        const { ms, lowMs, highMs } = plan.eta;
        output.text(
          `${going.length} of ${going.length + staying.length} go home in ${duration(ms)} ` +
            `(${duration(lowMs)} to ${duration(highMs)}), lower bound ${duration(plan.lowerBoundMs)}`,
        );
      }
      output.list<Row>([...going, ...staying], columns, ({ vm }) => vm);
      return undefined;
    },
  };
}

function timeText(ms: number | undefined): string {
  return ms === undefined ? "" : duration(ms);
}
