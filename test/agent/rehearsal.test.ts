import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listeningPorts } from "../../agent/runtime/listening-ports.ts";
import { isAlive } from "../../agent/runtime/process.ts";
import { MigrationId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { handoverKey, Pair, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const ofDryRun = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAW");

describeOnQemu("the comparison of a dry run", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  const link = { migrationId: ofDryRun, handoverKey };
  const folder = () => join(pair.target.config.runDir, VM);
  const manifest = () => JSON.parse(readFileSync(join(folder(), "guest.json"), "utf8"));

  async function start(change: Partial<VmDefinition> = {}) {
    const { definition } = pair;
    if (definition === undefined) throw new Error("The guest has not been started");
    const args = { ...link, definition: { ...definition, ...change } };
    const answer = await pair.target.run("target.rehearse", VM, args);
    if ("cannot" in answer) throw new Error(answer.cannot);
    return answer;
  }
  const compare = (started: Awaited<ReturnType<typeof start>>) =>
    pair.source.run("source.rehearse", VM, { ...link, ...started });
  const discard = () => pair.target.run("target.discard", VM, {});

  it("finds the same machine, and leaves nothing", async () => {
    const before = listeningPorts(process.pid);
    const started = await start();
    const { twinCheck } = await compare(started);
    expect(twinCheck).toMatchObject({ differences: [], differencesTotal: 0 });
    // The model has few devices and properties.
    expect(twinCheck.values).toBeGreaterThan(subject.isModel ? 10 : 100);
    const process_ = manifest();
    await discard();
    expect(isAlive(process_)).toBe(false);
    expect(existsSync(folder())).toBe(false);
    expect(listeningPorts(process.pid)).toEqual(before);
    await pair.hasRun(pair.source);
  });

  it("finds a device that only the target has, and the guest can move all the same", async () => {
    const { devices } = pair.definition ?? { devices: [] };
    const more = { driver: "virtio-rng-pci", id: "extra" };
    const { twinCheck } = await compare(await start({ devices: [...devices, more] }));
    expect(JSON.stringify(twinCheck.differences)).toContain("virtio-rng-pci");
    // Without a discard: a migration takes its place.
    await pair.start({ epoch: 2 });
    await pair.hasMoved();
  });

  it("ends with a restart of the target's agent in the middle", async () => {
    await start();
    const process_ = manifest();
    pair.target = await pair.target.restart();
    expect(isAlive(process_)).toBe(false);
    expect(existsSync(folder())).toBe(false);
    await expect(start()).resolves.toHaveProperty("handover");
    await discard();
  });

  // The model takes any device.
  it.skipIf(subject.isModel)(
    "fails with QEMU's words where the target does not start, and leaves nothing",
    async () => {
      const nothing = [{ driver: "no-such-device" }];
      await expect(start({ devices: nothing })).rejects.toThrow("no-such-device");
      expect(existsSync(folder())).toBe(false);
    },
  );

  it("does not touch a migration of the guest", async () => {
    const prepared = await pair.prepare();
    await expect(start()).rejects.toThrow("already");
    await pair.start({ prepared });
    await pair.hasMoved();
  });
});
