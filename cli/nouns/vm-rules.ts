import type { Client } from "../../client/client.ts";
import { bytes } from "../../core/format.ts";
import { type Input, parseLabels } from "../input.ts";
import type { Session } from "../session.ts";
import type { Argument, Verb } from "../verb.ts";

type Vm = Awaited<ReturnType<Client["getVm"]>>;
type Change = Parameters<Client["defineVm"]>[1];
type Affinity = NonNullable<Vm["affinities"]>[number];

const vm: Argument = { name: "<vm>", summary: "name of the VM", of: "vm" };

/** Options that together replace the rules about other VMs. */
const groupOptions = {
  apart: { rule: "apart", strength: "required" },
  together: { rule: "together", strength: "required" },
  preferApart: { rule: "apart", strength: "preferred" },
  preferTogether: { rule: "together", strength: "preferred" },
} as const;

/** What people say of a VM: labels, and rules about hosts and other VMs. */
export function ruleVerbs(show: (session: Session, vm: Vm) => undefined): Verb[] {
  return [
    {
      name: "label",
      summary: "Set labels of a VM (app=shop), or remove one (app=)",
      operations: ["defineVm"],
      arguments: [vm, { name: "<labels...>", summary: "name=value" }],
      run: async (session, input) => {
        const labels = parseLabels(input.arguments.slice(1));
        return show(session, await session.api.defineVm(input.argument(0), { labels }));
      },
    },
    {
      name: "rules",
      summary: "Say where a VM may run, with which others, and whose it is",
      operations: ["defineVm"],
      arguments: [vm],
      options: [
        {
          flags: "--apart <group...>",
          summary: "never on one host with others of the group; none",
        },
        { flags: "--together <group...>", summary: "on one host with the others of the group" },
        {
          flags: "--prefer-apart <group...>",
          summary: "the same, given up where it is in the way",
        },
        { flags: "--prefer-together <group...>", summary: "the same for `together`" },
        { flags: "--require <label...>", summary: "name=value that its host must have; none" },
        { flags: "--prefer <label...>", summary: "name=value that its host should have; none" },
        { flags: "--tenant <name>", summary: "whose it is; none" },
        {
          flags: "--pin <name>",
          summary: "keep it on its host; who wants that; none: remove the pin",
        },
        { flags: "--may-evacuate", summary: "a pinned VM may go when its host is emptied" },
        {
          flags: "--copy <disk...>",
          summary: "disks that hosts do not share: copied with the guest when it moves; none",
        },
        {
          flags: "--move <disk...>",
          summary: "the same, and the source's image is removed after the guest's arrival",
        },
        {
          flags: "--control-plane <answer>",
          choices: ["yes", "no"],
          summary: "the control plane runs in it: an evacuation moves it alone",
        },
      ],
      details:
        "What is not given stays; `none` removes. The four options about groups replace all rules\n" +
        "about other VMs, --copy and --move what was said of disks. A guest that breaks a rule where\n" +
        "it is stays there: the rule counts when it moves.",
      run: async (session, input) =>
        show(session, await session.api.defineVm(input.argument(0), changeOf(input))),
    },
  ];
}

function changeOf(input: Input): Change {
  const affinities = affinitiesOf(input);
  const tenant = input.text("tenant");
  const pin = input.text("pin");
  const own = input.text("controlPlane");
  return {
    ...(affinities === undefined ? {} : { affinities }),
    ...labelsOf(input, "require", "requiredLabels"),
    ...labelsOf(input, "prefer", "preferredLabels"),
    ...(tenant === undefined ? {} : { tenant: tenant === "none" ? null : tenant }),
    ...(pin === undefined
      ? {}
      : { pinned: pin === "none" ? null : { by: pin, mayEvacuate: input.flag("mayEvacuate") } }),
    ...storageOf(input),
    ...(own === undefined ? {} : { runsControlPlane: own === "yes" ? true : null }),
  };
}

function affinitiesOf(input: Input): Affinity[] | null | undefined {
  const names = Object.keys(groupOptions) as (keyof typeof groupOptions)[];
  const given = names.flatMap((name) =>
    input.texts(name).map((group) => ({ group, ...groupOptions[name] })),
  );
  if (given.length === 0) return undefined;
  return given.every(({ group }) => group === "none") ? null : given;
}

function labelsOf(input: Input, option: string, field: "requiredLabels" | "preferredLabels") {
  const words = input.texts(option);
  if (words.length === 0) return {};
  if (words.join() === "none") return { [field]: null };
  const labels = Object.entries(parseLabels(words)).map(([name, value]) => [name, value ?? ""]);
  return { [field]: Object.fromEntries(labels) };
}

function storageOf(input: Input): Pick<Change, "storage"> {
  const ways = (["copy", "move"] as const).flatMap((way) =>
    input.texts(way).map((disk) => [disk, way] as const),
  );
  if (ways.length === 0) return {};
  return { storage: ways.every(([disk]) => disk === "none") ? null : Object.fromEntries(ways) };
}

/** Lines of `vm show`: undefined is left out. */
export function ruleLines(shown: Vm): [string, string | undefined][] {
  const { labels, tenant, affinities, requiredLabels, preferredLabels, pinned } = shown;
  const { runsControlPlane, storage = {}, diskSizes = {} } = shown;
  const pairs = (from: Record<string, string> = {}) =>
    Object.entries(from).map(([name, value]) => `${name}=${value}`);
  const text = (words: string[]) => (words.length === 0 ? undefined : words.join(", "));
  const groups = (affinities ?? []).map(
    ({ group, rule, strength }) => `${strength === "preferred" ? "rather " : ""}${rule}: ${group}`,
  );
  return [
    ["labels", text(pairs(labels))],
    ["tenant", tenant],
    ["groups", text(groups)],
    ["needs a host", text(pairs(requiredLabels))],
    ["prefers a host", text(pairs(preferredLabels))],
    ["pinned by", pinned && `${pinned.by}${pinned.mayEvacuate ? " (may be evacuated)" : ""}`],
    ["disks", text(Object.entries(storage).map(([disk, way]) => diskText(disk, way, diskSizes)))],
    ["runs", runsControlPlane === true ? "the control plane" : undefined],
  ];
}

/** @param way copied (`copy`), or moved without leaving an image behind (`move`) */
function diskText(disk: string, way: string, sizes: Readonly<Record<string, number>>): string {
  const size = sizes[disk];
  return `${way} ${disk}${size === undefined ? "" : ` (${bytes(size)})`}`;
}
