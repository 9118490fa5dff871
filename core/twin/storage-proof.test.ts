import { describe, expect, it } from "vitest";
import type { Comparison } from "./comparison.ts";
import { emptyParts, type Reading } from "./reading.ts";
import {
  type FilePair,
  type Inspection,
  pairFiles,
  type Storage,
  type StoredFile,
} from "./storage.ts";
import { addStorage } from "./storage-compare.ts";
import {
  proofByIdentity,
  proofByInspection,
  storageDifference,
  unsafeCache,
} from "./storage-proof.ts";

const FILE: StoredFile = {
  place: "pci/04.0",
  driver: "file",
  name: "/a.img",
  isReadOnly: false,
  identity: "file 254:0 12",
  fileSystem: "ext4",
};
const one = { isSameKernel: true, isSameNetwork: true };
const two = { isSameKernel: false, isSameNetwork: false };

function pair(source: Partial<StoredFile>, target: Partial<StoredFile> = source): FilePair {
  return {
    sourceAt: 0,
    targetAt: 0,
    source: { ...FILE, ...source },
    target: { ...FILE, ...target },
  };
}

const device = { driver: "host_device", identity: "device 8:0", fileSystem: undefined };
const ids = (...deviceIds: string[]) => ({ ...device, deviceIds });
const other = { name: "/b.img", identity: "file 1:0 2" };
const nbd = (name: string) => ({ driver: "nbd", name, identity: undefined });

describe("an identity proves", () => {
  it.each([
    ["one file of one kernel", pair({}), one, "same-file"],
    [
      "nothing for two files of one kernel",
      pair({}, { identity: "file 254:0 13" }),
      one,
      undefined,
    ],
    ["nothing between two kernels", pair({}), two, undefined],
    ["nothing for a file with a problem", pair({ problem: "replaced" }), one, undefined],
    ["one device of one kernel", pair(device), one, "same-device-or-file"],
    ["devices with the same ids", pair(ids("naa.1", "x"), ids("x", "naa.1")), two, "same-device"],
    ["nothing for another id", pair(ids("naa.1"), ids("naa.2")), two, undefined],
    ["nothing for devices without ids", pair(ids()), two, undefined],
    ["an export of one server", pair(nbd("nbd://10.0.0.1:10809/d")), two, "same-export"],
    ["nothing for two exports", pair(nbd("nbd://h/a"), nbd("nbd://h/b")), two, undefined],
    ["nothing for loopback on two hosts", pair(nbd("nbd://127.0.0.1/d")), two, undefined],
    ["nothing for localhost on two hosts", pair(nbd("nbd://localhost/d")), two, undefined],
    ["nothing for a socket", pair(nbd("nbd+unix:///d?socket=/s")), two, undefined],
    ["a copy", pair({}, { ...other, isCopy: true }), two, "copied"],
    ["no copy with a problem", pair({}, { isCopy: true, problem: "gone" }), one, undefined],
    ["loopback in one network", pair(nbd("nbd://127.0.0.1/d")), one, "same-export"],
  ] as const)("%s", (_, files, sides, proof) => {
    const expected = proof === "same-device-or-file" ? "same-file" : proof;
    expect(proofByIdentity(files, sides)).toBe(expected);
  });
});

const NONE: Inspection = { hasWitness: false };
const nfs = { fileSystem: "nfs" };
const readOnly = { isReadOnly: true };
const at = (attributes: string): Inspection => ({ ...NONE, attributes });
const read = (digest: string): Inspection => ({ ...NONE, digest });
const denied = "EACCES: permission denied";

describe("an inspection proves", () => {
  it.each([
    ["a file whose witness is seen", {}, NONE, { hasWitness: true }, undefined, "witness"],
    ["nothing where it is not seen", nfs, at("1"), at("1"), undefined, undefined],
    ["nothing by a witness that was not made", {}, NONE, { hasWitness: true }, denied, undefined],
    ["equal times of NFS where it cannot be made", nfs, at("1"), at("1"), denied, "attributes"],
    ["nothing by other times", nfs, at("1"), at("2"), denied, undefined],
    ["nothing by equal times of a local file system", {}, at("1"), at("1"), denied, undefined],
    ["read-only files of one content", readOnly, read("x"), read("x"), undefined, "same-content"],
    ["no read-only files of two contents", readOnly, read("x"), read("y"), undefined, undefined],
    ["no files of one content that are written", {}, read("x"), read("x"), undefined, undefined],
    ["nothing without a digest", readOnly, NONE, NONE, undefined, undefined],
  ] as const)("%s", (_, files, source, target, witnessProblem, proof) => {
    const inspections = { source, target, witnessProblem };
    expect(proofByInspection(pair(files), inspections)).toBe(proof);
  });
});

describe("a file that is not proved", () => {
  it.each([
    ["another file", pair({}), { source: NONE, target: NONE }, /another file has this name/],
    [
      "a folder that takes no witness",
      pair({}),
      { source: NONE, target: NONE, witnessProblem: denied },
      /^EACCES.*create a file in the folder/,
    ],
    ["other content", pair(readOnly), { source: NONE, target: NONE }, /same read-only file/],
    [
      "content that is too large",
      pair(readOnly),
      { source: { ...NONE, problem: "too large" }, target: NONE },
      /^too large; give both/,
    ],
    ["a device", pair(ids()), undefined, /WWID/],
    ["a socket", pair(nbd("nbd+unix:///d")), undefined, /loopback/],
    ["a replaced file", pair({ problem: "replaced" }), undefined, /has open/],
  ] as const)("has both values and its cure: %s", (_, files, inspections, cure) => {
    const { source, target, cure: advice } = storageDifference(files, inspections);
    expect(advice).toMatch(cure);
    expect(source).toContain(files.source.name);
    expect(target).toContain(files.target.name);
  });
});

describe("a cache mode", () => {
  const unsafe = { unsafeCache: "cache.no-flush is on" };

  it("counts between two machines, for what is written", () => {
    expect(unsafeCache(pair(unsafe), two)?.source).toBe(unsafe.unsafeCache);
    expect(unsafeCache(pair({}, unsafe), two)).toMatchObject({ source: null });
    expect(unsafeCache(pair(unsafe), one)).toBeUndefined();
    expect(unsafeCache(pair({ ...unsafe, isReadOnly: true }), two)).toBeUndefined();
    expect(unsafeCache(pair({}), two)).toBeUndefined();
    expect(unsafeCache(pair(unsafe, { isCopy: true }), two)).toBeUndefined();
  });
});

describe("the storage in a comparison", () => {
  const compared: Comparison = {
    values: 1,
    differences: [],
    differencesTotal: 0,
    harmless: [],
    harmlessTotal: 0,
  };

  function storage(...files: StoredFile[]): Storage {
    return { kernel: "k", network: "n", files, filesTotal: files.length };
  }
  function reading(known: Storage | undefined): Reading {
    const parts = { ...emptyParts(), device: { "pci/04.0": { type: "virtio-blk-pci", id: "d0" } } };
    return { qemu: "10.0.2", parts, ...(known === undefined ? {} : { storage: known }) };
  }

  const known = { source: reading(storage(FILE)), target: reading(storage(FILE)) };
  const NAME = 'disk pci/04.0 (virtio-blk-pci "d0"): storage /a.img';

  it("is a difference, or harmless where the policy accepts it by its name", () => {
    const findings = [{ pair: pair({}) }];
    const refused = addStorage(compared, known, findings, two, []);
    expect(refused).toMatchObject({
      differences: [{ name: NAME, about: "storage" }],
      differencesTotal: 1,
      storage: { filesTotal: 0 },
    });
    const accepted = addStorage(compared, known, findings, two, [NAME]);
    expect(accepted).toMatchObject({ differencesTotal: 0, harmless: [{ name: NAME }] });
  });

  it("lists how each file was proved", () => {
    const findings = [{ pair: pair({}), proof: "witness" as const }];
    const { storage: proved } = addStorage(compared, known, findings, two, []);
    const name = 'disk pci/04.0 (virtio-blk-pci "d0"): /a.img';
    expect(proved).toEqual({ files: [{ name, proof: "witness" }], filesTotal: 1 });
  });

  it.each([
    ["an agent that does not know of it", reading(undefined)],
    ["more files than are inspections at", reading({ ...storage(FILE), filesTotal: 501 })],
  ])("is a difference with %s", (_, target) => {
    const { differences } = addStorage(compared, { ...known, target }, [], two, []);
    expect(differences).toMatchObject([{ name: "storage of all disks", source: "1 files" }]);
  });

  it("pairs files by their places, and leaves chains of other lengths to the comparison", () => {
    const other = { ...FILE, place: "pci/05.0" };
    const base = { ...other, name: "/base.img" };
    const pairs = pairFiles(storage(FILE, other, base), storage(other, FILE));
    expect(pairs).toEqual([{ sourceAt: 0, targetAt: 1, source: FILE, target: FILE }]);
  });
});
