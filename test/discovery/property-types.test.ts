import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { typedValue } from "../../core/import/property-types.ts";
import { QmpCommandError } from "../../qmp/error.ts";
import { findQemu, type RealQemu, spawnQemu } from "../../qmp/testing/real-qemu.ts";

/** Types of properties that take a number in JSON; all texts have one of the others. */
const NUMBER = /^(u?int(8|16|32|64)?|size(32)?)$/;
/** No command line makes these devices. */
const OWN = /^(migration|(kvm-)?apic)$/;
/** No command line has them: they are parts of other devices, or of the machine. */
const INTERNAL =
  /^(link|child)<|^(list|strList|busnr)$|List$|Information$|FeatureWordInfo$|^guest /;

describe.skipIf(findQemu() === undefined)("the types of values by their names", () => {
  let qemu: RealQemu;
  beforeAll(async () => {
    qemu = await spawnQemu({ args: ["-machine", "none"] });
  });
  afterAll(() => qemu.close());

  it("are those of every device of QEMU", async () => {
    const { client } = qemu;
    const types = await client.execute("qom-list-types", { implements: "device", abstract: false });
    const wrong: string[] = [];
    let count = 0;
    for (const { name: typename } of types.filter(({ name }) => !OWN.test(name))) {
      for (const { name, type } of await propertiesOf(typename)) {
        if (INTERNAL.test(type)) continue;
        count += 1;
        const [given, expected] = example(type);
        const value = typedValue("device", name, given, typename);
        if (value !== expected) wrong.push(`${typename}.${name} (${type}): ${value}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(5_000);
  }, 60_000);

  async function propertiesOf(typename: string) {
    try {
      return await qemu.client.execute("device-list-properties", { typename });
    } catch (error) {
      if (error instanceof QmpCommandError) return [];
      throw error;
    }
  }
});

/** A value as a command line has it, and as JSON must have it. */
function example(type: string): [string, string | number | boolean] {
  if (type === "bool") return ["on", true];
  if (NUMBER.test(type)) return ["7", 7];
  return type === "OnOffAuto" ? ["yes", "on"] : ["7", "7"];
}
