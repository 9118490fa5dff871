import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ParameterValue } from "../core/protocol/probe.ts";
import { capabilities } from "../core/qemu/capabilities.ts";
import { capabilitiesOf, checkCapabilities } from "../core/qemu/capability-rules.ts";
import { QmpCommandError } from "../qmp/error.ts";
import { findQemu, type RealQemu, spawnQemu } from "../qmp/testing/real-qemu.ts";

/** The QEMU on PATH (or $SWITCHYARD_QEMU), and other versions where they are installed. */
const binaries = {
  QEMU: findQemu(),
  "QEMU 7.2": process.env.SWITCHYARD_QEMU_7_2,
  "QEMU 11.1": process.env.SWITCHYARD_QEMU_11_1,
};

/** Refusals that depend on the host; QEMU checks them before the rules between capabilities. */
const HOST =
  /^Postcopy is not supported: |^Background-snapshot is not (supported by host|compatible with guest memory)/;

for (const [title, binary = ""] of Object.entries(binaries)) {
  describe.skipIf(binary === "")(`${title}${binary === "" ? " (not installed)" : ""}`, () => {
    describe.each([
      ["a source", []],
      ["a target", ["-incoming", "defer"]],
    ])("as %s", (_side, args) => {
      let qemu: RealQemu;
      let known: string[];

      beforeAll(async () => {
        qemu = await spawnQemu({ binary, args });
        const listed = await qemu.client.execute("query-migrate-capabilities");
        known = listed.map(({ capability }) => capability);
      });
      afterAll(() => qemu?.close());

      const version = () => ({ ...qemu.client.version.qemu, package: "" });
      const ours = (names: string[], parameters: Record<string, ParameterValue> = {}) => {
        const context = { version: version(), accelerator: "tcg", dirtyRing: false } as const;
        return checkCapabilities(new Set(names), { ...context, parameters })[0]?.error;
      };
      const disagreements = async (
        sets: string[][],
        parameters?: Record<string, ParameterValue>,
      ) => {
        const found: unknown[] = [];
        for (const names of sets) {
          const expected = ours(names, parameters);
          const actual = await set(qemu, known, names);
          if (actual !== undefined && HOST.test(actual)) continue;
          if (expected !== actual) found.push({ names, expected, actual });
        }
        return found;
      };

      it("has the capabilities that the table gives this version", () => {
        expect(known.toSorted()).toEqual(capabilitiesOf(version()).toSorted());
      });

      it("answers to each single capability as the rules predict", async () => {
        const names = capabilities.map(({ name }) => [name]);
        expect(await disagreements(names)).toEqual([]);
      });

      it("answers to each pair as the rules predict", async () => {
        expect(await disagreements(pairs(known))).toEqual([]);
      });

      it("answers to larger sets with the same one of several broken rules", async () => {
        expect(await disagreements(randomSets(known, 250))).toEqual([]);
      });

      it.each([
        ["multifd-compression", "zlib"],
        ["tls-creds", "tls0"],
      ])("answers to sets with %s as the rules predict", async (name, value) => {
        await qemu.client.execute("migrate-set-parameters", { [name]: value });
        const rest = ["multifd", "xbzrle", "postcopy-ram", "mapped-ram", "return-path"];
        const sets = rest.map((other) => ["zero-copy-send", "multifd", other]);
        expect(await disagreements([["multifd"], ...sets], { [name]: value })).toEqual([]);
      });
    });
  });
}

async function set(qemu: RealQemu, known: string[], on: string[]): Promise<string | undefined> {
  const names = [...new Set([...known, ...on])];
  const list = names.map((capability) => ({ capability, state: on.includes(capability) }));
  try {
    await qemu.client.execute("migrate-set-capabilities", { capabilities: list });
    return undefined;
  } catch (error) {
    if (error instanceof QmpCommandError) return error.desc;
    throw error;
  }
}

function pairs(names: string[]): string[][] {
  return names.flatMap((one, index) => names.slice(index + 1).map((two) => [one, two]));
}

/** Sets of three to seven, the same in each run. */
function randomSets(names: string[], count: number): string[][] {
  let state = 20_260_101;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, () => {
    const size = 3 + below(5);
    return [...new Set(Array.from({ length: size }, () => names[below(names.length)] ?? ""))];
  });
}
