import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VmId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { quietLog } from "../runtime/testing/quiet-log.ts";
import { testFolder } from "../testing/folder.ts";
import { ExitedGuests } from "./exited.ts";
import { Guests } from "./guests.ts";
import {
  type Manifest,
  readManifests,
  removeRunGrant,
  writeManifest,
  writeRunGrant,
} from "./manifest.ts";

const manifest: Manifest = {
  vm: VmId.parse("vm1"),
  adopted: false,
  pid: 2 ** 30,
  startTicks: "1",
  permittedToRun: true,
  contSent: true,
  arrived: true,
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

  it("have the run grant from its file until it is removed", () => {
    const folder = join(testFolder(), "vm1");
    const not = { permittedToRun: false, contSent: false, arrived: false };
    writeManifest(folder, { ...manifest, ...not });
    const read = () => readManifests(join(folder, ".."), () => expect.unreachable());
    expect(read()).toMatchObject([{ manifest: not }]);
    writeRunGrant(folder);
    writeRunGrant(folder);
    const granted = { permittedToRun: true, contSent: true, arrived: false };
    expect(read()).toMatchObject([{ manifest: granted }]);
    removeRunGrant(folder);
    removeRunGrant(folder);
    expect(read()).toMatchObject([{ manifest: not }]);
  });

  it.each([
    [true, undefined, { permittedToRun: true, arrived: true }],
    [true, "target", { permittedToRun: true, arrived: false }],
    [false, "target", { permittedToRun: false, arrived: false }],
  ])("of an older agent are read: everRan %s, %s", (everRan, side, expected) => {
    const folder = join(testFolder(), "vm1");
    const { permittedToRun: _, contSent: __, arrived: ___, ...older } = manifest;
    const id = "mig_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const migration = side && { id, epoch: 1, side, over: false };
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "guest.json"), JSON.stringify({ ...older, everRan, migration }));
    const found = readManifests(join(folder, ".."), () => expect.unreachable());
    expect(found).toMatchObject([{ manifest: { contSent: everRan, ...expected } }]);
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
      expect(guests.exited(manifest.vm)).toMatchObject({ manifest: { permittedToRun: true } });
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
    expect(known("vm999")?.manifest.migration).toMatchObject({ id, side: "target" });
    second.close();
  });
});
