import type { Generation } from "../generation.ts";

/** Generations that have each capability, in alphabetical order. */
const presence: Record<string, readonly Generation[]> = {
  "auto-converge": ["7.2", "10.0", "11.1"],
  "background-snapshot": ["7.2", "10.0", "11.1"],
  block: ["7.2"],
  compress: ["7.2"],
  "dirty-bitmaps": ["7.2", "10.0", "11.1"],
  "dirty-limit": ["10.0", "11.1"],
  events: ["7.2", "10.0", "11.1"],
  "late-block-activate": ["7.2", "10.0", "11.1"],
  "mapped-ram": ["10.0", "11.1"],
  multifd: ["7.2", "10.0", "11.1"],
  "pause-before-switchover": ["7.2", "10.0", "11.1"],
  "postcopy-blocktime": ["7.2", "10.0", "11.1"],
  "postcopy-preempt": ["7.2", "10.0", "11.1"],
  "postcopy-ram": ["7.2", "10.0", "11.1"],
  "rdma-pin-all": ["7.2", "10.0", "11.1"],
  "release-ram": ["7.2", "10.0", "11.1"],
  "return-path": ["7.2", "10.0", "11.1"],
  "switchover-ack": ["10.0", "11.1"],
  "validate-uuid": ["7.2", "10.0", "11.1"],
  "x-colo": ["7.2", "10.0", "11.1"],
  "x-ignore-shared": ["7.2", "10.0", "11.1"],
  xbzrle: ["7.2", "10.0", "11.1"],
  "zero-blocks": ["7.2", "10.0"],
  "zero-copy-send": ["7.2", "10.0", "11.1"],
};

export function capabilitiesOf(generation: Generation): string[] {
  return Object.keys(presence).filter((name) => presence[name]?.includes(generation));
}

type Rule = {
  /** Refused when all of these are on ... */
  on: readonly string[];
  /** ... and this one, if given, is off. */
  off?: string;
  text: string;
  versions: readonly Generation[];
};

const all: readonly Generation[] = ["7.2", "10.0", "11.1"];
const later: readonly Generation[] = ["10.0", "11.1"];
const NO_ZERO_COPY = "Zero copy only available for non-compressed non-TLS multifd migration";

const snapshotExcludes = [
  ..."postcopy-ram dirty-bitmaps postcopy-blocktime late-block-activate return-path multifd".split(
    " ",
  ),
  ..."pause-before-switchover auto-converge release-ram rdma-pin-all compress xbzrle x-colo".split(
    " ",
  ),
  ..."validate-uuid zero-copy-send".split(" "),
];

/** In the order QEMU checks them: the first that holds gives the text. */
const rules: readonly Rule[] = [
  {
    on: ["postcopy-ram", "x-ignore-shared"],
    text: "Postcopy is not compatible with ignore-shared",
    versions: all,
  },
  {
    on: ["postcopy-ram", "multifd"],
    text: "Postcopy is not yet compatible with multifd",
    versions: ["10.0"],
  },
  ...snapshotExcludes.map((name) => ({
    on: ["background-snapshot", name],
    text: `Background-snapshot is not compatible with ${name}`,
    versions: all,
  })),
  { on: ["zero-copy-send"], off: "multifd", text: NO_ZERO_COPY, versions: all },
  { on: ["zero-copy-send", "xbzrle"], text: NO_ZERO_COPY, versions: all },
  {
    on: ["postcopy-preempt"],
    off: "postcopy-ram",
    text: "Postcopy preempt requires postcopy-ram",
    versions: all,
  },
  {
    on: ["multifd", "compress"],
    text: "Multifd is not compatible with compress",
    versions: ["7.2"],
  },
  { on: ["multifd", "xbzrle"], text: "Multifd is not compatible with xbzrle", versions: later },
  ...["switchover-ack", "x-colo"].map((name) => ({
    on: [name],
    off: "return-path",
    text: `Capability '${name}' requires capability 'return-path'`,
    versions: name === "x-colo" ? (["11.1"] as const) : later,
  })),
  {
    on: ["dirty-limit", "auto-converge"],
    text: "dirty-limit conflicts with auto-converge either of then available currently",
    versions: later,
  },
  {
    on: ["dirty-limit"],
    text: "dirty-limit requires KVM with accelerator property 'dirty-ring-size' set",
    versions: later,
  },
  {
    on: ["mapped-ram", "xbzrle"],
    text: "Mapped-ram migration is incompatible with xbzrle",
    versions: later,
  },
  {
    on: ["mapped-ram", "postcopy-ram"],
    text: "Mapped-ram migration is incompatible with postcopy",
    versions: later,
  },
];

/** QEMU's answer to a set of capabilities: `ok`, or the texts of which it gives one. */
export function answersTo(set: readonly string[], generation: Generation): string[] {
  const texts = rules
    .filter(({ versions }) => versions.includes(generation))
    .filter(({ on, off }) => on.every((name) => set.includes(name)) && !(off && set.includes(off)))
    .map(({ text }) => `GenericError: ${text}`);
  return texts.length === 0 ? ["ok"] : [...new Set(texts)];
}
