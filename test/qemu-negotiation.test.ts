import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probeQemu } from "../agent/guest/qemu-probe.ts";
import { applySettings, readCapabilities } from "../agent/migrate/settings.ts";
import { negotiate } from "../core/negotiate/negotiate.ts";
import { MigrationPolicy } from "../core/negotiate/policy.ts";
import type { QemuProbe } from "../core/protocol/probe.ts";
import { parameters } from "../core/qemu/parameters.ts";
import { existsIn } from "../core/qemu/version.ts";
import { VmDefinition } from "../core/vm.ts";
import { QmpCommandError } from "../qmp/error.ts";
import { findQemu, type RealQemu, spawnQemu } from "../qmp/testing/real-qemu.ts";

const MEMORY_BYTES = 32 * 2 ** 20;
/** In all of 7.2, 10.0 and 11.1. */
const MACHINE = "pc-i440fx-7.2";

const binaries = Object.entries({
  QEMU: findQemu(),
  "QEMU 7.2": process.env.SWITCHYARD_QEMU_7_2,
  "QEMU 11.1": process.env.SWITCHYARD_QEMU_11_1,
}).flatMap(([title, binary]) => (binary ? [{ title, binary }] : []));

type Ends = { probe: QemuProbe; source: RealQemu; target: RealQemu };

describe.skipIf(binaries.length === 0)("with real QEMUs", () => {
  const qemus = new Map<string, Ends>();
  const endsOf = (title: string): Ends => {
    const found = qemus.get(title);
    if (!found) throw new Error(`Expected ${title} to have been started`);
    return found;
  };

  beforeAll(async () => {
    for (const { title, binary } of binaries) {
      const machine = ["-machine", MACHINE];
      const source = await spawnQemu({ binary, args: machine });
      const target = await spawnQemu({ binary, args: [...machine, "-incoming", "defer", "-S"] });
      qemus.set(title, { probe: await probeQemu(source.client, title), source, target });
    }
  }, 60_000);
  afterAll(async () => {
    for (const { source, target } of qemus.values()) {
      await source.close();
      await target.close();
    }
  });

  describe.each(binaries)("the parameters of $title", ({ title }) => {
    it("are those of the table, with its defaults", () => {
      const { probe } = endsOf(title);
      const present = parameters.filter(
        (parameter) =>
          existsIn(parameter, probe.version) && parameter.name !== "block-bitmap-mapping",
      );
      const names = Object.keys(probe.parameters);
      expect(names.toSorted()).toEqual(present.map(({ name }) => name).toSorted());
      for (const { name, refusal, default: value } of present) {
        // Older machine types start with `legacy`.
        if (refusal || name === "zero-page-detection") continue;
        expect(probe.parameters[name], name).toBe(value);
      }
    });

    it("have the ranges of the table", async () => {
      const { probe, source } = endsOf(title);
      const isOld = probe.version.major < 8;
      for (const { name, type, min = 0, max = 0, trap } of parameters) {
        if (type !== "integer" || !Object.hasOwn(probe.parameters, name)) continue;
        const set = (value: bigint) => accepts(source, name, value);
        if (name === "max-cpu-throttle") await accepts(source, "cpu-throttle-initial", 1n);
        expect(await set(BigInt(min)), `${name} ${min}`).toBe(true);
        expect(await set(BigInt(max)), `${name} ${max}`).toBe(true);
        // QEMU takes -1 for a size, and 7.2 any level: only our own check is stricter.
        const isLoose = trap !== undefined || (isOld && name.endsWith("-level"));
        if (min > 0 && !isLoose) expect(await set(BigInt(min) - 1n), `${name} below`).toBe(false);
        const isOurs = ["vcpu-dirty-limit", "xbzrle-cache-size"].includes(name);
        if (!isOurs && !isLoose) expect(await set(BigInt(max) + 1n), `${name} above`).toBe(false);
      }
    });
  });

  const policies = [
    {},
    {
      capabilities: {
        multifd: "ask",
        xbzrle: "ask",
        "auto-converge": "ask",
        "validate-uuid": "ask",
      },
    },
    { flags: ["POSTCOPY", "AUTO_CONVERGE"] },
    {
      flags: ["PARALLEL", "ZEROCOPY"],
      parameters: { "multifd-channels": 4, "max-bandwidth": "18446744073709551615" },
    },
    {
      capabilities: { multifd: "require" },
      parameters: { "multifd-compression": "zlib", "multifd-zlib-level": 3 },
      switchoverBandwidthBytesPerSecond: 1_000_000_000,
    },
    {
      capabilities: Object.fromEntries(
        ["dirty-limit", "release-ram", "postcopy-blocktime", "late-block-activate", "dirty-bitmaps"]
          .concat(["postcopy-ram", "postcopy-preempt", "multifd", "pause-before-switchover"])
          .map((name) => [name, "ask"]),
      ),
      downtimeLimitMs: 40,
    },
  ].map((policy) => MigrationPolicy.parse(policy));
  const pairs = binaries.flatMap((from) => binaries.map((to) => [from.title, to.title] as const));

  it.each(pairs)(
    "%s to %s: both ends take what is agreed, whatever was set before",
    async (from, to) => {
      const { probe: sourceQemu, source } = endsOf(from);
      const { probe: targetQemu, target } = endsOf(to);
      for (const policy of policies) {
        const result = negotiate({
          source: {
            qemu: sourceQemu,
            machineType: MACHINE,
            accelerator: "tcg",
            dirtyRing: false,
            runState: "running",
            migrationStatus: "none",
            memoryBytes: MEMORY_BYTES,
            cpus: 1,
            vfioDevices: [],
            blockers: [],
          },
          target: {
            qemu: targetQemu,
            memoryFreeBytes: MEMORY_BYTES,
            accelerators: ["tcg"],
            vmPresent: false,
            userfaultfd: true,
            missingResources: [],
          },
          policy,
          definition: VmDefinition.parse({ memoryBytes: MEMORY_BYTES }),
        });
        if (!result.agreed) throw new Error(JSON.stringify(result.blockers));
        const { agreement } = result;
        for (const [qemu, settings] of [
          [source, agreement.source],
          [target, agreement.target],
        ] as const) {
          await switchOff(qemu, Object.keys(settings.capabilities));
          const off = await readCapabilities(qemu.client);
          await applySettings(qemu.client, { ...settings, capabilities: {} }, off);
          await applySettings(qemu.client, { ...settings, parameters: {} }, off);
          const listed = await qemu.client.execute("query-migrate-capabilities");
          expect(
            Object.fromEntries(listed.map(({ capability, state }) => [capability, state])),
          ).toEqual(settings.capabilities);
        }
      }
    },
  );
});

async function switchOff(qemu: RealQemu, names: string[]): Promise<void> {
  const capabilities = names.map((capability) => ({ capability, state: false }));
  await qemu.client.execute("migrate-set-capabilities", { capabilities });
}

async function accepts(qemu: RealQemu, name: string, value: bigint): Promise<boolean> {
  try {
    const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER);
    await qemu.client.execute("migrate-set-parameters", { [name]: isSafe ? Number(value) : value });
    return true;
  } catch (error) {
    if (error instanceof QmpCommandError) return false;
    throw error;
  }
}
