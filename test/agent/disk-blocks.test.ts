import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { TestHost } from "./testing/host.ts";
import { handoverKey, migrationId, Pair, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const BITMAP = "backup0";
const GATED_ON = ["events", "return-path", "dirty-bitmaps"];
const of = { migrationId };

const on = (names: string[]) => Object.fromEntries(names.map((name) => [name, true]));
const qmpOf = (host: TestHost) => host.guests.get(host.vm(VM)).qmp;

describeOnQemu("what works on the guest's disks during a move", (subject) => {
  const itOnReal = it.skipIf(subject.isModel);
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  /** The node of the guest's disk. */
  async function diskNode(host: TestHost): Promise<string> {
    const [disk] = await qmpOf(host).execute("query-block");
    const node = disk?.inserted?.["node-name"];
    if (node === undefined) throw new Error("Expected the guest to have a disk");
    return node;
  }

  async function startGated(): Promise<void> {
    const prepared = await pair.prepare(undefined, undefined, { on: ["dirty-bitmaps"] });
    const { migrationUri, handover } = prepared;
    await pair.source.run(
      "source.start",
      VM,
      {
        settings: { capabilities: on(GATED_ON), parameters: {} },
        migrationUri,
        handover,
        handoverKey,
        ackExpected: false,
        precopyDeadlineMs: 60_000,
        gate: {},
      },
      of,
    );
    await pair.source.waitFor("migration.held");
  }

  itOnReal("C2: a gated move with dirty-bitmaps takes the guest's own bitmap along", async () => {
    const node = await diskNode(pair.source);
    await qmpOf(pair.source).execute("block-dirty-bitmap-add", { node, name: BITMAP });
    await startGated();
    await pair.source.run("source.permit", VM, {}, of);
    await pair.hasMoved();
    await vi.waitFor(async () => {
      const nodes = await qmpOf(pair.target).execute("query-named-block-nodes", { flat: true });
      const names = nodes.flatMap((found) => found["dirty-bitmaps"] ?? []).map(({ name }) => name);
      expect(names).toContain(BITMAP);
    }, 20_000);
  });

  itOnReal(
    "C3: a block job is in the probe, and keeps a permit from being carried out",
    async () => {
      await startGated();
      const { qmp } = pair.source.guests.get(pair.source.vm(VM));
      const nodeA = { driver: "null-co", "node-name": "job-a", size: 1 << 30 };
      await qmp.execute("blockdev-add", nodeA);
      await qmp.execute("blockdev-add", { ...nodeA, "node-name": "job-b" });
      await qmp.executeAny("blockdev-backup", {
        device: "job-a",
        target: "job-b",
        "job-id": "nightly",
        sync: "full",
        speed: 1,
      });
      const probe = await pair.source.run("source.probe", VM, {});
      expect(probe.jobs).toMatchObject([{ id: "nightly", type: "backup" }]);
      const permit = () => pair.source.run("source.permit", VM, {}, of);
      await expect(permit()).rejects.toThrow("nightly (backup)");
      await qmp.executeAny("job-cancel", { id: "nightly" });
      await vi.waitFor(async () => expect(await qmp.execute("query-jobs")).toEqual([]), 20_000);
      await permit();
      await pair.hasMoved();
    },
  );

  itOnReal("C1: an optional capability that QEMU refuses is left off with its words", async () => {
    if (!pair.definition) throw new Error("Expected a definition");
    const settings = { capabilities: on([...GATED_ON, "zero-copy-send"]), parameters: {} };
    const args = { definition: pair.definition, settings, handoverKey };
    const optionalCapabilities = ["zero-copy-send"];
    const prepared = await pair.target.run(
      "target.prepare",
      VM,
      { ...args, optionalCapabilities },
      of,
    );
    expect(prepared.givenUp).toMatchObject([
      { capability: "zero-copy-send", reason: expect.stringContaining("Zero copy only") },
    ]);
    await pair.target.run("target.discard", VM, {}, of);
    const required = pair.target.run("target.prepare", VM, args, of);
    await expect(required).rejects.toThrow("Zero copy only");
  });
});
