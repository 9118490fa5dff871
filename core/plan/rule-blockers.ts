import type { Blocker } from "../negotiate/agreement.ts";
import type { PlanVm } from "./snapshot.ts";

type Pinned = Pick<PlanVm, "host" | "pinned">;

/** A pin keeps a VM where it is; `isEvacuated`: its host is to be emptied. */
export function pinBlockers({ host, pinned }: Pinned, isEvacuated: boolean): Blocker[] {
  if (pinned === undefined || (isEvacuated && pinned.mayEvacuate)) return [];
  return [
    {
      code: "pinned",
      message: `It is pinned to ${host} by ${pinned.by}`,
      cure: "Remove the pin, allow it to be evacuated, or shut the guest down yourself",
    },
  ];
}

type Labels = Readonly<Record<string, string>>;

/** Labels that a VM requires of its host, and that a host does not have. */
export function labelBlockers(required: Labels, labels: Labels): Blocker[] {
  const lacking = Object.entries(required).filter(([name, value]) => labels[name] !== value);
  return lacking.map(([name, value]) => ({
    code: "label-missing",
    message: `It needs a host with ${name}=${value}, and this one has ${labels[name] === undefined ? "none" : `${name}=${labels[name]}`}`,
    cure: `Label the host with ${name}=${value} if that is true of it, or choose another one`,
  }));
}

/**
 * Members of a group of which the VM stands apart are on a host, or on their way to it.
 *
 * @param members those of the group on that host; the VM itself does not count
 */
export function apartBlockers(vm: string, group: string, members: Iterable<string>): Blocker[] {
  const others = [...members].filter((member) => member !== vm);
  if (others.length === 0) return [];
  return [
    {
      code: "anti-affinity",
      message: `${others.join(", ")} of the group ${group} is there or on its way, and members stand apart`,
      cure: `Add a host for the group ${group}, or take ${vm} out of it`,
    },
  ];
}
