import { expect, it } from "vitest";
import { VmId } from "../../core/id.ts";
import { lackingOf } from "../../core/negotiate/cpu-model.ts";
import { negotiate } from "../../core/negotiate/negotiate.ts";
import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { VmDefinition } from "../../core/vm.ts";
import { TestHost } from "./testing/host.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const VM = VmId.parse("vm1");

describeOnQemu("the CPU of a guest", ({ qemu, isModel }) => {
  // The model has no features.
  it.skipIf(isModel)(
    "is probed on both sides; what a target lacks is a blocker by name",
    async () => {
      const hosts = {
        source: new TestHost("source", { qemu }),
        target: new TestHost("target", { qemu }),
      };
      try {
        const wanted = { machine: "pc", memoryBytes: 64 << 20, cpuModel: "Nehalem,+aes" };
        const { definition } = await hosts.source.run("guest.start", VM, {
          definition: VmDefinition.parse(wanted),
        });
        const [source, target] = await Promise.all([
          hosts.source.run("source.probe", VM, {}),
          hosts.target.run("target.probe", VM, { definition }),
        ]);
        const policy = MigrationPolicy.parse({});
        expect(source.cpuModels).toEqual(target.cpuModels);
        expect(negotiate({ source, target, definition, policy })).toMatchObject({ agreed: true });
        const known = target.cpuModels;
        if (known === undefined) throw new Error("Expected QEMU to say what its CPUs can be");
        expect(lackingOf(known, "Nehalem")).toEqual([]);
        expect(known.features).toContain("aes");
        const poorer = {
          features: known.features.filter((feature) => feature !== "aes"),
          lacking: ["sse4-2"],
          models: { ...known.models, Nehalem: [0], "Nehalem-v1": [0] },
        };
        const there = { ...target, cpuModels: poorer };
        expect(negotiate({ source, target: there, definition, policy })).toMatchObject({
          agreed: false,
          blockers: [
            {
              code: "cpu-features-missing",
              message: expect.stringMatching(/lacks: aes, sse4-2$/),
              cure: expect.stringContaining("qemu64"),
            },
          ],
        });
      } finally {
        await Promise.all([hosts.source.close(), hosts.target.close()]);
      }
    },
  );
});
