import { expect, it } from "vitest";
import { findFlag, flagName, flagRules, libvirtFlags } from "./libvirt-flags.ts";

it("knows each flag of virDomainMigrateFlags", () => {
  expect(libvirtFlags.map(({ name }) => name)).toEqual([
    "LIVE",
    "PEER2PEER",
    "TUNNELLED",
    "PERSIST_DEST",
    "UNDEFINE_SOURCE",
    "PAUSED",
    "NON_SHARED_DISK",
    "NON_SHARED_INC",
    "CHANGE_PROTECTION",
    "UNSAFE",
    "OFFLINE",
    "COMPRESSED",
    "ABORT_ON_ERROR",
    "AUTO_CONVERGE",
    "RDMA_PIN_ALL",
    "POSTCOPY",
    "TLS",
    "PARALLEL",
    "NON_SHARED_SYNCHRONOUS_WRITES",
    "POSTCOPY_RESUME",
    "ZEROCOPY",
    "SWITCHOVER_ACK",
  ]);
});

it.each(["AUTO_CONVERGE", "VIR_MIGRATE_AUTO_CONVERGE", "auto-converge", " Auto_Converge "])(
  "finds a flag by `%s`",
  (text) => {
    expect(findFlag(text)?.name).toBe("AUTO_CONVERGE");
  },
);

it.each([
  ["COMPRESSED", { xbzrle: "require" }],
  ["AUTO_CONVERGE", { "auto-converge": "require" }],
  ["POSTCOPY", { "postcopy-ram": "require", "postcopy-preempt": "ask" }],
  ["PARALLEL", { multifd: "require" }],
  ["ZEROCOPY", { "zero-copy-send": "require" }],
  ["SWITCHOVER_ACK", { "switchover-ack": "require" }],
])("%s means %j", (flag, wishes) => {
  expect(findFlag(flag)?.wishes).toEqual(wishes);
});

it("each flag has at most one meaning", () => {
  for (const { name, wishes, always, refusal } of libvirtFlags) {
    const meanings = [wishes, always, refusal].filter((meaning) => meaning !== undefined);
    expect(meanings.length, name).toBe(name === "TLS" ? 0 : 1);
  }
});

it("rules are between known flags", () => {
  for (const { flag, other } of flagRules) {
    expect(findFlag(flag)?.name).toBe(flag);
    expect(findFlag(other)?.name).toBe(other);
  }
});

it.each([
  ["vir_migrate_tls", "TLS"],
  ["  post-copy ", "POST_COPY"],
  ["", ""],
])("the name of `%s` is `%s`", (text, name) => {
  expect(flagName(text)).toBe(name);
});
