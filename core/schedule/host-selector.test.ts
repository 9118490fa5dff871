import { describe, expect, it } from "vitest";
import { HostId } from "../id.ts";
import { HostSelector, selectHosts } from "./host-selector.ts";
import { compareVersions } from "./version-order.ts";

const host = (id: string, labels: Record<string, string>, facts: Record<string, string> = {}) => ({
  id: HostId.parse(id),
  labels,
  facts,
});
const hosts = [
  host("a", { rack: "7" }, { kernel: "6.12.9-amd64", qemu: "10.0.2" }),
  host("b", { rack: "7", patched: "no" }, { kernel: "6.12.41-amd64", qemu: "11.1" }),
  host("c", { rack: "8" }, { kernel: "6.1.0-37-amd64" }),
  host("d", { rack: "7" }),
];

const select = (selector: object) => selectHosts(HostSelector.parse(selector), hosts);

describe("a host selector", () => {
  it.each([
    ["labels", { labels: { rack: "7" } }, ["a", "b", "d"]],
    ["ids", { ids: ["c", "a"] }, ["a", "c"]],
    ["both", { ids: ["c", "a"], labels: { rack: "8" } }, ["c"]],
    ["an older version", { needs: [{ fact: "kernel", below: "6.12.41" }] }, ["a", "c"]],
    ["another version", { needs: [{ fact: "qemu", not: "11.1" }] }, ["a"]],
    ["a label", { needs: [{ label: "patched", is: "no" }] }, ["b"]],
    ["a label that is not set", { needs: [{ label: "patched", not: "no" }] }, ["a", "c", "d"]],
    [
      "all conditions at once",
      {
        labels: { rack: "7" },
        needs: [
          { fact: "kernel", below: "7" },
          { fact: "qemu", below: "11" },
        ],
      },
      ["a"],
    ],
  ])("takes hosts by %s", (_, selector, expected) => {
    expect(select(selector).hosts).toEqual(expected);
  });

  it("says why it skips a host, one that does not say what it is among them", () => {
    const { skipped } = select({
      ids: ["b", "d", "z"],
      needs: [{ fact: "kernel", below: "6.12.41" }],
    });
    expect(skipped).toEqual([
      { host: "b", reason: "Its kernel is 6.12.41-amd64" },
      { host: "d", reason: "Its kernel is not known" },
      { host: "z", reason: "There is no such host" },
    ]);
  });
});

describe("versions", () => {
  it.each([
    ["6.12.9", "6.12.41"],
    ["10.0.2", "11.1"],
    ["6.12", "6.12.1"],
    ["0x2b000571", "0x2b000603"],
    ["5.14.0-427.el9", "5.14.0-503.el9"],
    ["0.9.0", "0.10.0"],
  ])("%s comes before %s", (one, other) => {
    expect(compareVersions(one, other)).toBeLessThan(0);
    expect(compareVersions(other, one)).toBeGreaterThan(0);
    expect(compareVersions(one, one)).toBe(0);
  });
});
