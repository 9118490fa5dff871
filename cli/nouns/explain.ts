import { ApiError } from "../../client/api-error.ts";
import type { Client } from "../../client/client.ts";
import { allOf, mapTogether } from "../../client/pages.ts";
import { age } from "../../core/format.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Input } from "../input.ts";
import { type Blocker, copyOption, policyFrom, policyOptions } from "../migration-options.ts";
import { wrap } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";

type Vm = Awaited<ReturnType<Client["getVm"]>>;
/** What one host says to the VM. */
export type Verdict = {
  readonly host: string;
  readonly agreed: boolean;
  readonly blockers: readonly Blocker[];
};

/** Hosts that are probed at the same time. */
const TOGETHER_MAX = 4;
const HOSTS_SHOWN_MAX = 6;

export const explain: Verb = {
  name: "explain",
  summary: "Say why a VM can or cannot move, host by host, with cures",
  operations: ["getVm", "listHosts", "createMigration", "listMigrations", "getPlacement"],
  arguments: [{ name: "<vm>", summary: "the VM", of: "vm" }],
  options: [
    { flags: "--to <host>", summary: "ask about this host only", of: "host" },
    { flags: "--make-room", summary: "say by the records what would help, such as another move" },
    ...policyOptions,
    copyOption,
  ],
  details:
    "Each host is asked by a dry run, which starts the VM's target there for a moment and compares\n" +
    "it: nothing is changed. In a large fleet --make-room asks no host. Exit 0: a host would take\n" +
    "it; 3: none would.",
  run: runExplain,
};

async function runExplain(session: Session, input: Input): Promise<ExitName | undefined> {
  const { api, output } = session;
  if (input.flag("makeRoom")) return explainByRecords(session, input.argument(0));
  const vm = await api.getVm(input.argument(0));
  const policy = await policyFrom(input);
  const to = input.text("to");
  const hosts = to === undefined ? (await allOf(api.listHosts)).map(({ id }) => id) : [to];
  const others = hosts.filter((host) => host !== vm.host || to !== undefined);
  const verdicts = await mapTogether(others, TOGETHER_MAX, async (host): Promise<Verdict> => {
    try {
      const found = await api.dryRunMigration({ vm: vm.id, target: host, policy });
      return { host, agreed: found.agreed, blockers: found.blockers };
    } catch (error) {
      return { host, agreed: false, blockers: [blockerOf(error)] };
    }
  });
  if (!output.isForPeople) {
    output.object({ vm: vm.id, host: vm.host, verdicts }, vm.id, []);
  } else {
    for (const line of explainLines(vm, verdicts, output.width)) output.text(line);
    const last = await lastFailure(session, vm.id);
    if (last !== undefined) output.text(last);
  }
  return verdicts.some(({ agreed }) => agreed) ? undefined : "refused";
}

/** What plans would say: no host is asked, and what would help is listed. */
async function explainByRecords(
  { api, output }: Session,
  id: string,
): Promise<ExitName | undefined> {
  const [vm, placement] = await Promise.all([api.getVm(id), api.getPlacement(id)]);
  const { blockers, fitting, reasons, cures } = placement;
  if (!output.isForPeople) {
    output.object(placement, id, []);
  } else {
    const verdicts: Verdict[] = [
      ...fitting.map((host) => ({ host, agreed: blockers.length === 0, blockers })),
      ...reasons.flatMap((reason) =>
        reason.hosts.map((host) => ({ host, agreed: false, blockers: reason.blockers })),
      ),
    ];
    for (const line of explainLines(vm, verdicts, output.width)) output.text(line);
    for (const cure of cures) {
      for (const line of wrap(`would help: ${cure}`, output.width, "  ")) output.text(line);
    }
  }
  return fitting.length > 0 && blockers.length === 0 ? undefined : "refused";
}

/** A refusal before the probes, as a blocker. What is no refusal of this host is thrown. */
function blockerOf(error: unknown): Blocker {
  if (!(error instanceof ApiError) || error.status === 401 || error.status === 404) throw error;
  const { code = String(error.status), detail = error.message } = error.problem;
  return { code, message: detail, cure: `docs/reference/failures.md has ${code}` };
}

/** Refusals that lie in the VM alone, and the command that says more. */
const ownCures: Readonly<Record<string, string>> = {
  "vm-not-running": "see what has become of it: switchyard vm show",
  "vm-locked": "wait for the migration that holds it: switchyard vm show",
  "vm-unknown": "look at both hosts, then: switchyard vm reconcile",
};

/** A reason that lies in the VM itself, and is the same for every host. */
function ownReason(verdicts: readonly Verdict[]): Blocker | undefined {
  const [first] = verdicts[0]?.blockers ?? [];
  if (first === undefined || !Object.hasOwn(ownCures, first.code)) return undefined;
  const isSame = verdicts.every(({ blockers }) => blockers[0]?.code === first.code);
  return isSame ? first : undefined;
}

export function explainLines(
  vm: Pick<Vm, "id" | "host" | "state">,
  verdicts: readonly Verdict[],
  width: number,
): string[] {
  const own = ownReason(verdicts);
  if (own !== undefined) {
    const { id, state, host } = vm;
    return [
      `${id} is ${state} on ${host} and cannot be moved, wherever to.`,
      ...indented(`${own.code}: ${own.message}`, width),
      ...indented(`cure: ${ownCures[own.code]} ${id}`, width),
    ];
  }
  const fitting = verdicts.filter(({ agreed }) => agreed);
  const count = `${fitting.length} of ${verdicts.length} hosts would take it.`;
  const can = fitting.length > 0 ? "can be moved" : "cannot be moved";
  const lines = [`${vm.id} is ${vm.state} on ${vm.host} and ${can}. ${count}`];
  if (fitting.length > 0) lines.push(`  yes   ${hostList(fitting)}`);
  const refused = verdicts.filter(({ agreed }) => !agreed);
  const groups = Map.groupBy(refused, ({ blockers }) =>
    blockers
      .map(({ code }) => code)
      .toSorted()
      .join(" "),
  );
  const largestFirst = [...groups.values()].toSorted((a, b) => b.length - a.length);
  for (const group of largestFirst) {
    lines.push(`${String(group.length).padStart(4)}   ${hostList(group)}`);
    for (const { code, message, cure } of group[0]?.blockers ?? []) {
      lines.push(...indented(`${code}: ${message}`, width), ...indented(`cure: ${cure}`, width));
    }
  }
  return lines;
}

function indented(text: string, width: number): string[] {
  return wrap(text, width - 9, "  ").map((line) => `       ${line}`);
}

function hostList(verdicts: readonly Verdict[]): string {
  const shown = verdicts.slice(0, HOSTS_SHOWN_MAX).map(({ host }) => host);
  const more = verdicts.length - shown.length;
  return `${shown.join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}

async function lastFailure({ api }: Session, vm: string): Promise<string | undefined> {
  const { items } = await api.listMigrations({ vm, status: "failed,unknown", limit: 1 });
  const [last] = items;
  if (last?.failure === undefined) return undefined;
  const when = age(Date.now() - Date.parse(last.createdAt));
  return `Last failed ${when} ago: ${last.failure.code} in ${last.failure.phase}, to ${last.target}`;
}
