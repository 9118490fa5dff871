import type { Plan } from "../../core/plan/plan-result.ts";
import { VmLink } from "./links.tsx";

const HOSTS_SHOWN_MAX = 6;

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
              <dl>
                {blockers.map((one) => (
                  <Reason key={one.code} where="the VM itself" {...one} />
                ))}
                {reasons.flatMap(({ hosts, blockers: found }) =>
                  found.map((one) => (
                    <Reason key={`${one.code} ${hosts[0]}`} where={hostsText(hosts)} {...one} />
                  )),
                )}
              </dl>
              {cures.map((cure) => (
                <p key={cure}>Would help: {cure}</p>
              ))}
            </details>
          </li>
        );
      })}
    </ul>
  );
}

type Shown = { where: string; code: string; message: string; cure: string };

export function Reason({ where, code, message, cure }: Shown) {
  return (
    <div>
      <dt>
        <code>{code}</code> <span class="quiet">{where}</span>
      </dt>
      <dd>
        {message}. <span class="quiet">{cure}</span>
      </dd>
    </div>
  );
}

export function codesOf(blockers: readonly { readonly code: string }[]): string {
  const codes = [...new Set(blockers.map(({ code }) => code))];
  return codes.length === 0 ? "no host is left" : codes.join(", ");
}

export function hostsText(hosts: readonly string[]): string {
  const more = hosts.length - HOSTS_SHOWN_MAX;
  const shown = hosts.slice(0, HOSTS_SHOWN_MAX).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}
