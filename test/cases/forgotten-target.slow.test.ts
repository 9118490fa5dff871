import { closeSync, openSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { readCounter } from "../../rig/guest/serial.ts";
import { crashHost } from "../../rig/host-crash.ts";
import { qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { CaseStage } from "./testing/case-stage.ts";

/** The source is asked again and again before a person is called. */
const END_MS = 180_000;
vi.setConfig({ testTimeout: 2 * END_MS, hookTimeout: END_MS });

describe.skipIf(qemu === undefined)(`a target's host that loses its memory${unlessQemu}`, () => {
  let cases: CaseStage;

  beforeAll(async () => {
    cases = await CaseStage.start();
  });
  afterAll(() => cases?.close());

  it("B5: a target that ran and has forgotten it is not absent: the source stays stopped", async () => {
    await cases.start("vm");
    const crashed = Promise.withResolvers<void>();
    cases.interfere({
      onEvent: async ({ type }, host) => {
        if (type === "migration.source-completed" && host === "host-a") await crashed.promise;
        if (type !== "migration.target-arrived") return;
        // The cloud gets neither event before the target's host is down.
        await crashHost(cases.fleet, "host-b", "nothing");
        await cases.fleet.startAgentWithoutKey("host-b");
        crashed.resolve();
        throw new Error("The host is down");
      },
    });
    const id = await cases.begin("vm", {});
    await crashed.promise;
    // The source's files are removed with its process, once the guest is recorded as lost.
    const log = openSync(cases.fleet.serialLog("host-a", "vm"), "r");
    onTestFinished(() => closeSync(log));
    const atSource = () => readCounter(`/proc/self/fd/${log}`);
    const stopped = await atSource();
    const ended = await cases.ends(id, END_MS);
    expect(["failed", "unknown"]).toContain(ended.status);
    expect(ended).not.toHaveProperty("runningOn");
    expect(["failed", "unknown"]).toContain((await cases.api.getVm("vm")).state);
    // What the target wrote to shared disks is newer than the source's memory.
    expect(stopped?.counter).toBeGreaterThan(0);
    expect(await atSource()).toEqual(stopped);
  });
});
