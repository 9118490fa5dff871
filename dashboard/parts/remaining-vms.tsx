import type { Plan } from "../../core/plan/plan-result.ts";
import type { Evacuation, EvacuationMove } from "../api-types.ts";
import { Badge } from "./badge.tsx";
import { DataTable } from "./data-table.tsx";
import { VmLink } from "./links.tsx";
import { MoveControls } from "./move-controls.tsx";
import { Section } from "./page.tsx";
import { UnplacedReasons } from "./unplaced-reasons.tsx";

type Props = {
  evacuation: Evacuation;
  moves: readonly EvacuationMove[];
  plan: Plan | undefined;
  refresh: () => Promise<void> | undefined;
};

const LEFT: readonly string[] = ["unplaced", "failed", "skipped"];

/** What stays on the hosts that are to be emptied, why, and what to do about it. */
export function RemainingVms({ evacuation, moves, plan, refresh }: Props) {
  const left = moves.filter(({ state }) => LEFT.includes(state));
  const unplaced = plan?.unplaced ?? [];
  if (left.length === 0 && unplaced.length === 0) return null;
  return (
    <Section title="What stays, and why">
      {left.length > 0 && (
        <DataTable
          caption="VMs that stay"
          rows={left}
          keyOf={({ vm }) => vm}
          columns={[
            { name: "VM", cell: ({ vm }) => <VmLink id={vm} /> },
            { name: "State", cell: ({ state }) => <Badge state={state} /> },
            { name: "Why", cell: ({ reason }) => reason, isWide: true },
            { name: "What to do", cell: ({ cure }) => cure, isWide: true },
            {
              name: "Do",
              cell: (move) => (
                <MoveControls evacuation={evacuation} move={move} refresh={refresh} />
              ),
            },
          ]}
        />
      )}
      {plan !== undefined && unplaced.length > 0 && <UnplacedReasons plan={plan} />}
    </Section>
  );
}
