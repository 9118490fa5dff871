import type { Plan } from "../../core/plan/plan-result.ts";
import { VmLink } from "./links.tsx";
import { Reasons } from "./reasons.tsx";

/** Why the planner knows no place for a VM, host by host, with what would help. */
export function UnplacedReasons({ plan }: { plan: Plan }) {
  return (
    <ul class="reasons">
      {plan.unplaced.map(({ vm, blockers, explanation }) => {
        const { reasons = [], cures = [] } = plan.explanations[explanation] ?? {};
        return (
          <li key={vm}>
            <details>
              <summary>
                {`${vm} cannot move: `}
                {codesOf([...blockers, ...reasons.flatMap((one) => one.blockers)])}
              </summary>
              <p>
                <VmLink id={vm} /> itself, and each host:
              </p>
              <Reasons blockers={blockers} reasons={reasons} cures={cures} />
            </details>
          </li>
        );
      })}
    </ul>
  );
}

export function codesOf(blockers: readonly { readonly code: string }[]): string {
  const codes = [...new Set(blockers.map(({ code }) => code))];
  return codes.length === 0 ? "no host is left" : codes.join(", ");
}
