import type { Explanation } from "../../core/plan/plan-result.ts";

const HOSTS_SHOWN_MAX = 6;

type Blocker = { readonly code: string; readonly message: string; readonly cure: string };

type Refused = Pick<Explanation, "reasons" | "cures"> & { readonly blockers: readonly Blocker[] };

/** Why hosts do not take a VM: what is about the VM itself, then host by host; and what would help. */
export function Reasons({ blockers, reasons, cures }: Refused) {
  const isEmpty = blockers.length + reasons.length === 0;
  return (
    <>
      {!isEmpty && (
        <dl class="reasons">
          {blockers.map((one) => (
            <Reason key={one.code} where="the VM itself" {...one} />
          ))}
          {reasons.flatMap(({ hosts, blockers: found }) =>
            found.map((one) => (
              <Reason key={`${one.code} ${hosts[0]}`} where={hostsText(hosts)} {...one} />
            )),
          )}
        </dl>
      )}
      {cures.map((cure) => (
        <p key={cure}>Would help: {cure}</p>
      ))}
    </>
  );
}

export function Reason({ where, code, message, cure }: Blocker & { where: string }) {
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

function hostsText(hosts: readonly string[]): string {
  const more = hosts.length - HOSTS_SHOWN_MAX;
  const shown = hosts.slice(0, HOSTS_SHOWN_MAX).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}
