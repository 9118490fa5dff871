import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Guest } from "../../agent/guest/guest.ts";
import { describeBinary } from "../../agent/probe/binary.ts";
import { isAlive } from "../../agent/runtime/process.ts";
import { MigrationId } from "../../core/id.ts";
import type { TestHost } from "./testing/host.ts";
import { migrationId, Pair, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

function known<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new Error("Expected the guest to be started by now");
}

describeOnQemu("a target that is started while it is probed", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  const folderOn = (host: TestHost) => join(host.config.runDir, VM);
  const manifestOn = (host: TestHost) =>
    JSON.parse(readFileSync(join(folderOn(host), "guest.json"), "utf8"));
  const probe = (options: { migrationId?: typeof migrationId } = { migrationId }) =>
    pair.target.run("target.probe", VM, { definition: known(pair.definition) }, options);
  const started = () => vi.waitFor(() => manifestOn(pair.target), 10_000);
  const hasEnded = (manifest: Parameters<typeof isAlive>[0]) =>
    vi.waitFor(() => {
      expect(isAlive(manifest)).toBe(false);
      expect(existsSync(folderOn(pair.target))).toBe(false);
    }, 10_000);

  it("is the one that is prepared, and the guest moves into it", async () => {
    expect(await probe()).toMatchObject({ vmPresent: false });
    const { pid } = await started();
    expect(await probe()).toMatchObject({ vmPresent: false });
    const prepared = await pair.prepare();
    expect(prepared.pid).toBe(pid);
    await pair.start({ prepared });
    await pair.hasMoved();
  });

  it("is not started for a dry run", async () => {
    await probe({});
    expect(existsSync(folderOn(pair.target))).toBe(false);
  });

  it("is ended for another migration, or another definition", async () => {
    await probe();
    const other = await started();
    const id = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAW");
    const { pid } = await pair.prepare(id, 2);
    expect(pid).not.toBe(other.pid);
    expect(isAlive(other)).toBe(false);
  });

  it("is ended when its migration is given up", async () => {
    await probe();
    const manifest = await started();
    await pair.target.run("target.discard", VM, {}, { migrationId });
    await hasEnded(manifest);
  });

  it("is ended by an agent that stops", async () => {
    await probe();
    const manifest = await started();
    pair.target = await pair.target.restart();
    await hasEnded(manifest);
    expect(await pair.prepare()).toMatchObject({ pid: expect.any(Number) });
  });

  it("is ended by the next agent when the first one was killed", async () => {
    const { config } = pair.target;
    const { runDir, resources } = config;
    const { sandbox } = await describeBinary(config.qemu, config.stateDir);
    const definition = known(pair.definition);
    const vm = pair.target.vm(VM);
    const process = { qemu: config.qemu, runDir, resources, sandbox };
    const left = await Guest.start({ vm, definition, ...process, incoming: true });
    await left.detach();
    const { manifest } = left;
    pair.target = await pair.target.restart();
    await hasEnded(manifest);
    expect(await pair.prepare()).toMatchObject({ pid: expect.any(Number) });
  });
});
