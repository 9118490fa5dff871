import { type Draft, type OldNetwork, type OptionRule, type Part, withValue } from "./draft.ts";
import { optionMap } from "./option-text.ts";
import { placeholderReason, resourceName } from "./placeholder.ts";
import { typedPart } from "./typed-part.ts";

/** Shorthands for networks. */
export const networkRules: Readonly<Record<string, OptionRule>> = {
  net: withValue((draft, value, option) => {
    draft.defaults.network = false;
    const pairs = optionMap(value, "type");
    if (pairs.get("type") === "none") return;
    const known: OldNetwork = { option, pairs };
    (pairs.get("type") === "nic" ? draft.nics : draft.nets).push(known);
  }),
  nic: withValue(readNic),
};

/** Of a netdev that only this host can make, the host resource that takes its place. */
export function readNetdev(draft: Draft, netdev: Part, option: string): void {
  draft.defaults.network = false;
  for (const member of ["hostfwd", "guestfwd", "dnssearch"]) {
    if (typeof netdev[member] === "string") netdev[member] = [{ str: netdev[member] }];
  }
  if (netdev.type === "tap" || netdev.type === "bridge") {
    draft.netdevs.push(tapOf(draft, netdev, option));
    return;
  }
  draft.netdevs.push(netdev);
}

/** Members by which something other than the agent makes a tap. */
const MADE_BY = ["fd", "fds", "vhostfd", "vhostfds", "script", "downscript", "helper", "br"];

function tapOf(draft: Draft, netdev: Part, option: string): Part {
  const { script, downscript, ifname } = netdev;
  const isReady = ifname !== undefined && script === "no" && (downscript ?? "no") === "no";
  if (isReady && netdev.type === "tap") return netdev;
  const name = resourceName(netdev.id) ?? `net${draft.netdevs.length}`;
  draft.note("replaced", option, placeholderReason(name, "tap"));
  const rest = Object.entries(netdev).filter(([member]) => !MADE_BY.includes(member));
  const queues = typeof netdev.fds === "string" ? netdev.fds.split(":").length : undefined;
  return {
    ...Object.fromEntries(rest),
    type: "tap",
    ifname: { $host: name, type: "tap" },
    ...(queues === undefined ? {} : { queues }),
  };
}

const NIC_MEMBERS = ["model", "mac", "macaddr", "addr", "vectors", "name"];

/** `-nic user,model=e1000,mac=…`: a network and its card in one. */
function readNic(draft: Draft, value: string, option: string): void {
  draft.defaults.network = false;
  const pairs = optionMap(value, "type");
  if (pairs.get("type") === "none") return;
  const id = pairs.get("id") ?? draft.freeId(`net${draft.netdevs.length}`);
  const rest = [...pairs].filter(([key]) => !NIC_MEMBERS.includes(key) && key !== "id");
  const netdev = typedPart("netdev", [...rest, ["id", id]], draft);
  readNetdev(draft, netdev, option);
  const card = cardOf(draft, pairs, id);
  // QEMU gives the card of `-nic` this number of interrupts (net/net.c, net_param_nic).
  const vectors = /^virtio-net/.test(String(card.driver)) ? { vectors: 0 } : {};
  draft.devices.board.push({ ...card, ...vectors });
  if (!pairs.has("id")) {
    const reason = `QEMU's own name for the network differs at each start: it is \`${id}\` now, which a migration reports once as a difference`;
    draft.note("lost", option, reason);
  }
}

/** The card that the board of `-net nic` and `-nic` has (hw/i386/pc.c, q35). */
function cardOf(draft: Draft, pairs: ReadonlyMap<string, string>, netdev: string): Part {
  const model = pairs.get("model") ?? (isQ35(draft) ? "e1000e" : "e1000");
  const mac = pairs.get("mac") ?? pairs.get("macaddr");
  const addr = pairs.get("addr");
  return {
    driver: model === "virtio" ? "virtio-net-pci" : model,
    netdev,
    ...(mac === undefined ? {} : { mac }),
    ...(addr === undefined ? {} : { addr }),
  };
}

export function isQ35({ fields }: Draft): boolean {
  return /q35/.test(String(fields.machine ?? "pc"));
}

/**
 * `-net` connects cards and networks to a hub, QEMU's default network too: without any network option
 * it is a card with user-mode networking. Ids are QEMU's own, so that both machines read the same.
 */
export function finishNetworks(draft: Draft): void {
  if (draft.defaults.all && draft.defaults.network) {
    draft.nics.push({ option: "(QEMU's default network)", pairs: new Map() });
    draft.nets.push({ option: "(QEMU's default network)", pairs: new Map([["type", "user"]]) });
  }
  if (draft.nets.length === 0 && draft.nics.length === 0) return;
  const hubs = new Set(
    [...draft.nets, ...draft.nics].map(({ pairs }) => pairs.get("hubid") ?? "0"),
  );
  if (hubs.size > 1) {
    const option = draft.nets.map((net) => net.option).join(" ");
    draft.note("unknown", option, "networks of several hubs: say them by `-netdev` and `-device`");
  }
  let port = 0;
  for (const { pairs } of draft.nics) {
    const id = `hub0port${port}`;
    draft.netdevs.push({ type: "hubport", id, hubid: 0 });
    draft.devices.board.push(cardOf(draft, pairs, id));
    port += 1;
  }
  for (const { pairs, option } of draft.nets) {
    const rest = [...pairs].filter(([key]) => key !== "name" && key !== "hubid");
    const id = draft.freeId(`hub0net${port}`);
    readNetdev(draft, typedPart("netdev", [...rest, ["id", id]], draft), option);
    draft.netdevs.push({ type: "hubport", id: `hub0port${port}`, hubid: 0, netdev: id });
    port += 1;
  }
}
