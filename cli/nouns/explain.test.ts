import { describe, expect, it } from "vitest";
import { explainLines } from "./explain.ts";

const vm = { id: "gpu-2", host: "host-c", state: "running" } as const;
const blocker = (code: string) => ({ code, message: `no ${code}`, cure: `get ${code}` });

describe("why a VM cannot move", () => {
  it("groups hosts by their reasons, most hosts first, each with its cure", () => {
    const lines = explainLines(
      { ...vm, id: vm.id as never, host: vm.host as never },
      [
        { host: "host-f", agreed: false, blockers: [blocker("memory-short")] },
        { host: "host-a", agreed: false, blockers: [blocker("resource-missing")] },
        { host: "host-b", agreed: false, blockers: [blocker("resource-missing")] },
      ],
      80,
    );
    expect(lines).toEqual([
      "gpu-2 is running on host-c and cannot be moved. 0 of 3 hosts would take it.",
      "   2   host-a host-b",
      "       resource-missing: no resource-missing",
      "       cure: get resource-missing",
      "   1   host-f",
      "       memory-short: no memory-short",
      "       cure: get memory-short",
    ]);
  });
});
