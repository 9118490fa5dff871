import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import type { TestHost } from "./testing/host.ts";
import { migrationId, Pair, SLOW, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const pause = { on: ["pause-before-switchover"] };

describeOnQemu("hooks of the hosts", (subject) => {
  let folder: string;
  let pair: Pair;
  beforeEach(() => {
    folder = ownedFolder("sy-hooks-");
  });
  afterEach(async () => {
    await pair.close();
    removeFolder(folder);
  });

  /** Writes its input into the folder under its name and side, then runs `then`. */
  function hook(name: string, then = "exit 0", rest: object = {}) {
    const path = join(folder, name);
    const keep = `input=$(cat); side=\${input#*'"side":"'}; side=\${side%%'"'*}`;
    writeFileSync(path, `#!/bin/sh\n${keep}\necho "$input" > ${path}.$side\n${then}\n`);
    chmodSync(path, 0o700);
    return { [name]: { command: [path], ...rest } };
  }

  async function startPair(hooks: object): Promise<void> {
    pair = new Pair(subject, { hooks });
    await pair.startGuest();
  }

  const input = (name: string, side: string) =>
    JSON.parse(readFileSync(join(folder, `${name}.${side}`), "utf8"));
  const ranOn = (host: TestHost) =>
    host.events.flatMap(({ body }) =>
      body.type === "migration.hook" ? [`${body.hook} ${body.outcome}`] : [],
    );

  it("each is run at its moment on its side, and reported", async () => {
    const hooks = ["prepare", "preSwitchover", "resumed", "failed"].map((name) => hook(name));
    await startPair(Object.assign({}, ...hooks));
    expect(await pair.source.run("source.probe", VM, {})).toMatchObject({
      hooks: ["preSwitchover"],
    });
    await pair.start(pause);
    await pair.hasMoved();
    await vi.waitFor(() => expect(ranOn(pair.target)).toHaveLength(2), 10_000);
    expect(ranOn(pair.target)).toEqual(["prepare succeeded", "resumed succeeded"]);
    expect(ranOn(pair.source)).toEqual(["prepare succeeded", "preSwitchover succeeded"]);
    expect(input("preSwitchover", "source")).toEqual({
      hook: "preSwitchover",
      side: "source",
      vm: VM,
      migrationId,
      host: "source",
      address: "127.0.0.1",
    });
    expect(input("prepare", "source")).toMatchObject({ peerAddress: "127.0.0.1" });
    const types = pair.source.typesOf();
    expect(types.lastIndexOf("migration.hook")).toBeGreaterThan(types.indexOf("migration.stopped"));
    expect(existsSync(join(folder, "failed.source"))).toBe(false);
  });

  it("prepare that fails at the target refuses before QEMU is started", async () => {
    await startPair({ ...hook("prepare", "echo no room; exit 1"), ...hook("failed") });
    await expect(pair.prepare()).rejects.toThrow(/refused: The hook prepare .*exit status 1/);
    expect(existsSync(join(pair.target.config.runDir, VM))).toBe(false);
    const { body } = await pair.target.waitFor("migration.hook");
    expect(body).toMatchObject({ outcome: "failed", output: "no room\n" });
    await vi.waitFor(() => expect(ranOn(pair.target)).toContain("failed succeeded"), 10_000);
  });

  it("prepare that fails at the source refuses before anything is changed", async () => {
    const then = `[ "$side" = source ] && exit 1; exit 0`;
    await startPair({ ...hook("prepare", then), ...hook("failed") });
    await expect(pair.start()).rejects.toThrow("refused: The hook prepare");
    await pair.hasRun(pair.source);
    await vi.waitFor(() => expect(ranOn(pair.source)).toContain("failed succeeded"), 10_000);
  });

  it.each([
    ["fails", "exit 7", {}, "exit status 7"],
    ["hangs", "sleep 600", { timeoutMs: 500 }, "not done within 500 ms"],
  ])("a pre-switchover hook that %s takes the migration back", async (_, then, rest, why) => {
    await startPair({ ...hook("preSwitchover", then, rest), ...hook("failed") });
    await pair.start(pause);
    const { body } = await pair.source.waitFor("migration.failed");
    expect(body).toMatchObject({ status: "cancelled" });
    expect(body.errorDescription).toContain(why);
    await pair.hasRun(pair.source);
    await pair.target.run("target.discard", VM, {}, { migrationId });
    await vi.waitFor(() => {
      expect(ranOn(pair.source)).toContain("failed succeeded");
      expect(ranOn(pair.target)).toEqual(["failed succeeded"]);
    }, 10_000);
  });

  it("one that fails and says `continue` only shows in the timeline", async () => {
    await startPair(hook("preSwitchover", "exit 7", { onFailure: "continue" }));
    await pair.start(pause);
    await pair.hasMoved();
    expect(ranOn(pair.source)).toEqual(["preSwitchover failed"]);
  });

  it("a cancelled migration runs the hook for failures at the source", async () => {
    await startPair(hook("failed"));
    await pair.start({ parameters: { "max-bandwidth": SLOW } });
    await pair.source.run("source.cancel", VM, {}, { migrationId });
    await vi.waitFor(() => expect(ranOn(pair.source)).toEqual(["failed succeeded"]), 10_000);
  });
});
