import { describe, expect, it } from "vitest";
import { findFlag } from "../qemu/libvirt-flags.ts";
import { MigrationPolicy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";

const codes = (flags: string[], parameters: Record<string, string> = {}) =>
  checkPolicy(MigrationPolicy.parse({ flags, parameters })).map(({ code }) => code);

it.each(["LIVE", "PEER2PEER", "PERSIST_DEST", "UNDEFINE_SOURCE", "CHANGE_PROTECTION"])(
  "%s has no effect, as every migration does it",
  (flag) => {
    expect(codes([flag])).toEqual([]);
    expect(findFlag(flag)?.always).toMatch(/always/);
  },
);

it.each([
  "TUNNELLED",
  "PAUSED",
  "NON_SHARED_DISK",
  "NON_SHARED_INC",
  "NON_SHARED_SYNCHRONOUS_WRITES",
  "UNSAFE",
  "OFFLINE",
  "ABORT_ON_ERROR",
  "RDMA_PIN_ALL",
])("%s is refused with a reason and a cure", (flag) => {
  const [blocker] = checkPolicy(MigrationPolicy.parse({ flags: [`VIR_MIGRATE_${flag}`] }));
  expect(blocker).toMatchObject({
    code: "unsupported-flag",
    message: expect.stringContaining(`\`${flag}\` is not supported: `),
    cure: expect.stringMatching(/./),
  });
});

it.each(["", "VIR_MIGRATE_", "FAST", "constructor"])("`%s` is no flag", (flag) => {
  expect(codes([flag])).toEqual(["unknown-flag"]);
});

describe("libvirt's rules between flags", () => {
  it.each([["NON_SHARED_DISK", "NON_SHARED_INC"]])("%s excludes %s", (one, two) => {
    expect(codes([one, two])).toContain("excluded-flag");
    expect(codes([one])).not.toContain("excluded-flag");
    expect(codes([two])).not.toContain("excluded-flag");
  });

  it.each([
    ["ZEROCOPY", "PARALLEL"],
    ["POSTCOPY_RESUME", "POSTCOPY"],
  ])("%s requires %s", (one, two) => {
    expect(codes([one])).toContain("missing-prerequisite");
    expect(codes([one, two])).not.toContain("missing-prerequisite");
  });

  it("TLS requires tls-creds", () => {
    expect(codes(["TLS"])).toEqual(["missing-prerequisite"]);
    expect(codes(["TLS"], { "tls-creds": "tls0" })).toEqual([]);
  });

  it("COMPRESSED with PARALLEL requires multifd-compression", () => {
    expect(codes(["COMPRESSED"])).toEqual([]);
    expect(codes(["COMPRESSED", "PARALLEL"])).toContain("missing-prerequisite");
    expect(codes(["COMPRESSED", "PARALLEL"], { "multifd-compression": "zstd" })).toEqual([]);
  });
});
