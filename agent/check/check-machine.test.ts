import { expect, it } from "vitest";
import { AgentConfig } from "../runtime/config.ts";
import { checkMachine, type MachineFacts, readMachine } from "./check-machine.ts";

const GIB = 2 ** 30;
const good: MachineFacts = {
  hasKvm: true,
  canUseKvm: true,
  hasVirtualization: true,
  userfaultfd: true,
  totalBytes: 8 * GIB,
  hugepages: [{ sizeKib: 2048, total: 0, free: 0 }],
  mounts: [],
};
const pool = { sizeKib: 2048, total: 512, free: 100 };
const mount = { path: "/dev/hugepages", isHugetlbfs: true };

function look(facts: Partial<MachineFacts>, memoryBytes = 6 * GIB) {
  return checkMachine({ ...good, ...facts }, { memoryBytes });
}

it("a machine that has everything is in order", () => {
  expect(look({}).filter(({ level }) => level !== "ok")).toEqual([]);
});

it.each([
  ["kvm", "wrong", { canUseKvm: false }, 6, /group of \/dev\/kvm/],
  ["kvm", "warning", { hasKvm: false, canUseKvm: false }, 6, /modprobe/],
  [
    "kvm",
    "warning",
    { hasKvm: false, canUseKvm: false, hasVirtualization: false },
    6,
    /in the firmware/,
  ],
  ["userfaultfd", "warning", { userfaultfd: false }, 6, /vm\.unprivileged_userfaultfd/],
  ["memory", "warning", {}, 8, /`memoryBytes`/],
  ["memory", "wrong", {}, 9, /less than 8589934592/],
  ["hugepages", "wrong", { mounts: [mount] }, 6, /vm\.nr_hugepages/],
  [
    "hugepages",
    "wrong",
    { hugepages: [pool], mounts: [{ ...mount, isHugetlbfs: false }] },
    6,
    /mount -t hugetlbfs hugetlbfs \/dev\/hugepages/,
  ],
] as const)("%s is %s: %j", (subject, level, facts, memoryGib, cure) => {
  const findings = look(facts, memoryGib * GIB).filter((finding) => finding.level !== "ok");
  expect(findings).toEqual([
    { subject, level, found: expect.any(String), cure: expect.stringMatching(cure) },
  ]);
});

it("hugepages are counted by their size", () => {
  const found = "100 of 512 free of 2048 KiB";
  expect(look({ hugepages: [pool], mounts: [mount] })).toContainEqual({
    subject: "hugepages",
    level: "ok",
    found,
  });
});

it("this machine can be read, with a mount that is none", () => {
  const config = AgentConfig.parse({
    host: "host-a",
    apiUrl: "http://127.0.0.1:9",
    runDir: "/run/sy",
    stateDir: "/nonexistent",
    resources: { huge: { type: "hugepages", path: "/nonexistent" } },
  });
  expect(readMachine(config)).toMatchObject({
    totalBytes: expect.any(Number),
    mounts: [{ path: "/nonexistent", isHugetlbfs: false }],
  });
});
