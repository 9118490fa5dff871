import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VmId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { quietLog } from "../runtime/testing/quiet-log.ts";
import { testFolder } from "../testing/folder.ts";
import { ExitedGuests } from "./exited.ts";
import { Guests } from "./guests.ts";
import { type Manifest, readManifests, writeManifest, writeRunGrant } from "./manifest.ts";

const manifest: Manifest = {
  vm: VmId.parse("vm1"),
  adopted: false,
  pid: 2 ** 30,
  startTicks: "1",
  everRan: true,
  qmpPath: "/nowhere",
  definition: VmDefinition.parse({ memoryBytes: 1 << 20 }),
};

function guestsOf(folder: string) {
  const exits: string[] = [];
  const guests = new Guests({
    runDir: join(folder, "r"),
    stateDir: join(folder, "s"),
    log: quietLog(),
    onExit: (vm) => exits.push(vm),
  });
  return { guests, exits };
}

describe("manifests", () => {
  it("are read back, and readable by their owner only", () => {
    const folder = join(testFolder(), "vm1");
    writeManifest(folder, manifest);
    const found = readManifests(join(folder, ".."), () => expect.unreachable());
    expect(found).toEqual([{ folder, manifest }]);
    expect(statSync(join(folder, "guest.json")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["guest.json"]);
  });

  it("have `everRan` once the run grant was written", () => {
    const folder = join(testFolder(), "vm1");
    writeManifest(folder, { ...manifest, everRan: false });
    const read = () => readManifests(join(folder, ".."), () => expect.unreachable());
    expect(read()).toMatchObject([{ manifest: { everRan: false } }]);
    writeRunGrant(folder);
    writeRunGrant(folder);
    expect(read()).toMatchObject([{ manifest: { everRan: true } }]);
  });

  it.each(["", "{", '{"vm":"vm1"}', JSON.stringify({ ...manifest, newer: true })])(
    "that cannot be read stay, and their VM counts as present: %j",
    async (text) => {
      const root = testFolder();
      const folder = join(root, "r", "vm1");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "guest.json"), text);
      const { guests, exits } = guestsOf(root);
      expect(await guests.reattach()).toEqual([]);
      expect(exits).toEqual([]);
      expect(existsSync(join(folder, "guest.json"))).toBe(true);
      expect(guests.isPresent(manifest.vm)).toBe(true);
      await guests.close();
    },
  );

  it("of a process that has ended are reported once and kept", async () => {
    const root = testFolder();
    writeManifest(join(root, "r", "vm1"), manifest);
    writeFileSync(join(root, "r", "stray"), "not a guest");
    for (const expected of [["vm1"], []]) {
      const { guests, exits } = guestsOf(root);
      expect(await guests.reattach()).toEqual([]);
      expect(exits).toEqual(expected);
      expect(guests.exited(manifest.vm)).toMatchObject({ everRan: true });
      expect(guests.isPresent(manifest.vm)).toBe(false);
      await guests.close();
    }
    expect(readdirSync(join(root, "r"))).toEqual(["stray"]);
  });
});

describe("the record of exited guests", () => {
  it("is bounded, drops VMs that were started again, and has no secret", () => {
    const folder = testFolder();
    const first = new ExitedGuests(folder, quietLog());
    const id = "mig_01ARZ3NDEKTSV4RRFFQ69G5FAV" as never;
    const handover = { address: "127.0.0.1", port: 1, key: "secret" };
    const migration = { id, epoch: 1, side: "target", over: false, handover } as const;
    for (let n = 0; n < 1_001; n += 1) {
      first.add({ ...manifest, vm: VmId.parse(`vm${n}`), migration });
    }
    first.remove(VmId.parse("vm1000"));
    first.close();
    const second = new ExitedGuests(folder, quietLog());
    const known = (name: string) => second.get(VmId.parse(name));
    expect([known("vm0"), known("vm1000")]).toEqual([undefined, undefined]);
    expect(JSON.stringify(known("vm999"))).not.toContain("secret");
    expect(known("vm999")?.migration).toMatchObject({ id, side: "target" });
    second.close();
  });
});
