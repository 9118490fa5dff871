import { client } from "../api.ts";
import type { VmView } from "../data/vm.ts";
import { refreshFleet } from "../fleet.ts";
import { hrefTo } from "../routes.ts";
import { ActionButton } from "./action-button.tsx";
import { ask } from "./ask.tsx";

type Props = { view: VmView; refresh: () => Promise<void> | undefined };

export function VmControls({ view, refresh }: Props) {
  const { vm } = view;
  const reconcile = async () => {
    const { id } = await client().reconcileVm(vm.id);
    await refresh();
    location.hash = hrefTo("migrations", id);
    return "Both hosts are asked again";
  };
  return (
    <div class="controls">
      <ActionButton tone="first" reason={moveReason(view)} act={() => askMove(view)}>
        Move it
      </ActionButton>
      <ActionButton
        reason={
          vm.state === "unknown" ? undefined : "Only for a VM of which nobody knows where it runs"
        }
        act={reconcile}
      >
        Reconcile
      </ActionButton>
    </div>
  );
}

function moveReason({ vm, placement, noPlacement }: VmView): string | undefined {
  if (vm.lockedBy !== undefined) return "A migration holds it";
  if (noPlacement !== undefined) return noPlacement;
  const [blocker] = placement?.blockers ?? [];
  if (blocker !== undefined) return `${blocker.message}. ${blocker.cure}`;
  return (placement?.fitting.length ?? 0) > 0 ? undefined : "No host would take it: see below";
}

/** Both hosts are asked by a dry run first; a refusal changes nothing. */
function askMove({ vm, placement }: VmView): undefined {
  return ask({
    title: `Move ${vm.id}?`,
    body: (
      <p>
        Both hosts are asked first; if one refuses, nothing is changed and the reasons are shown.
      </p>
    ),
    yes: "Move it",
    fields: [
      { name: "target", label: "To", options: placement?.fitting ?? [] },
      {
        name: "budget",
        label: "Downtime budget, ms (optional)",
        isOptional: true,
        kind: "whole",
      },
      { name: "mode", label: "Switchover", options: ["auto", "gated"] },
    ],
    command: `switchyard migrate ${vm.id} --to …`,
    act: async (text) => {
      const budget = text("budget");
      const wanted = {
        vm: vm.id,
        target: text("target"),
        policy: {
          switchover: { mode: text("mode") === "gated" ? ("gated" as const) : ("auto" as const) },
          ...(budget === "" ? {} : { downtimeBudgetMs: Number(budget) }),
        },
      };
      const { agreed, blockers } = await client().dryRunMigration(wanted);
      if (!agreed) {
        const reasons = blockers.map(({ code, message, cure }) => `${code}: ${message}. ${cure}`);
        throw new Error(`${wanted.target} refuses ${vm.id}: ${reasons.join("; ")}`);
      }
      const { id } = await client().createMigration(wanted, crypto.randomUUID());
      refreshFleet();
      location.hash = hrefTo("migrations", id);
      return `${vm.id} moves to ${wanted.target}`;
    },
  });
}
