import { bytes, duration } from "../../core/format.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { client } from "../api.ts";
import type { Host } from "../api-types.ts";
import type { Drain } from "../data/host.ts";
import { refreshFleet } from "../fleet.ts";
import { hrefTo } from "../routes.ts";
import { author } from "../session.ts";
import { ActionButton } from "./action-button.tsx";
import { DataTable } from "./data-table.tsx";
import { HostLink, VmLink } from "./links.tsx";
import { Facts } from "./page.tsx";
import { Reason } from "./reasons.tsx";
import { codesOf, UnplacedReasons } from "./unplaced-reasons.tsx";

type Props = { host: Host; drain: Drain; refresh: () => Promise<void> };

/** What an evacuation of the host would do, before anybody asks for one. */
export function DrainPreview({ host, drain, refresh }: Props) {
  const { id } = host;
  const plan = "plan" in drain ? drain.plan : undefined;
  const evacuate = async () => {
    const made = await client().createEvacuation(
      { hosts: [id], by: author.value },
      crypto.randomUUID(),
    );
    refreshFleet();
    location.hash = hrefTo("evacuations", made.id);
    return "Planned: nothing moves before somebody approves it";
  };
  return (
    <>
      {plan === undefined ? (
        <p>{"refusal" in drain ? drain.refusal : ""}</p>
      ) : (
        <PlanPreview plan={plan} />
      )}
      <div class="controls">
        <ActionButton tone="first" reason={evacuateReason(host, drain)} act={evacuate}>
          Plan the evacuation of {id}
        </ActionButton>
        <ActionButton act={() => refresh().then(() => undefined)}>Ask again</ActionButton>
      </div>
    </>
  );
}

function evacuateReason({ id, vms, state }: Host, drain: Drain): string | undefined {
  if (state === "draining") return "An evacuation empties it already";
  if ("refusal" in drain) return drain.refusal;
  const { moves, unplaced, refusals } = drain.plan;
  const [refused] = refusals;
  if (refused !== undefined) return `${refused.message}. ${refused.cure}`;
  if (moves.length > 0) return undefined;
  if (unplaced.length > 0) return "No VM of it can move";
  return vms === 0 ? `${id} is empty` : "No VM of it runs";
}

function PlanPreview({ plan }: { plan: Plan }) {
  const { moves, unplaced, eta, lowerBoundMs, bottleneck, longestDowntimeMs, refusals } = plan;
  if (moves.length + unplaced.length === 0) return <p class="quiet">No guest runs on it.</p>;
  return (
    <>
      <Facts
        facts={[
          ["Can move", `${moves.length} of ${moves.length + unplaced.length} VMs`],
          ["To send", bytes(plan.bytes)],
          ["Would take", `${duration(eta.ms)} (${duration(eta.lowMs)} to ${duration(eta.highMs)})`],
          ["Lower bound", duration(lowerBoundMs)],
          ["Longest downtime", `${duration(longestDowntimeMs)} expected`],
          ["Bottleneck", bottleneck?.text],
          ["After it", plan.nPlusOne?.text],
        ]}
      />
      {refusals.length > 0 && (
        <dl class="reasons">
          {refusals.map((one) => (
            <Reason key={one.code} where="the plan" {...one} />
          ))}
        </dl>
      )}
      <GuestTable plan={plan} />
      {unplaced.length > 0 && <UnplacedReasons plan={plan} />}
    </>
  );
}

type Guest = { vm: string; target?: string; why?: string; ms?: number; downtimeMs?: number };

function guestsOf({ moves, unplaced, explanations }: Plan): Guest[] {
  const staying = unplaced.map(({ vm, blockers, explanation }): Guest => {
    const reasons = explanations[explanation]?.reasons ?? [];
    return { vm, why: codesOf([...blockers, ...reasons.flatMap((one) => one.blockers)]) };
  });
  const going = moves.map(
    ({ vm, target, startAtMs, endAtMs, downtimeMs, converges, brokenWishes }): Guest => {
      const notes = [
        ...(converges ? [] : ["dirties memory faster than it is sent"]),
        ...brokenWishes,
      ];
      const why = notes.length === 0 ? {} : { why: notes.join(", ") };
      return { vm, target, ms: endAtMs - startAtMs, downtimeMs, ...why };
    },
  );
  return [...staying, ...going];
}

function GuestTable({ plan }: { plan: Plan }) {
  return (
    <DataTable
      caption="Guests of the host, those that cannot move first"
      rows={guestsOf(plan)}
      keyOf={({ vm }) => vm}
      columns={[
        { name: "VM", cell: ({ vm }) => <VmLink id={vm} /> },
        { name: "Can move", cell: ({ target }) => (target === undefined ? "✗ no" : "✔ yes") },
        { name: "To", cell: ({ target }) => target && <HostLink id={target} /> },
        {
          name: "Takes",
          cell: ({ ms }) => (ms === undefined ? "–" : duration(ms)),
          isFigure: true,
        },
        {
          name: "Downtime",
          cell: ({ downtimeMs }) => (downtimeMs === undefined ? "–" : duration(downtimeMs)),
          isFigure: true,
        },
        { name: "Why", cell: ({ why }) => why ?? "", isWide: true },
      ]}
    />
  );
}
