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

  it("names what lies in the VM alone once, and no host", () => {
    const failed = { code: "vm-not-running", message: "VM web is failed", cure: "" };
    const verdicts = ["host-a", "host-b"].map((host) => ({
      host,
      agreed: false,
      blockers: [failed],
    }));
    const web = { id: "web" as never, host: "host-c" as never, state: "failed" } as const;
    expect(explainLines(web, verdicts, 80)).toEqual([
      "web is failed on host-c and cannot be moved, wherever to.",
      "       vm-not-running: VM web is failed",
      "       cure: see what has become of it: switchyard vm show web",
    ]);
  });
});
