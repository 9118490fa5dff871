import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { identify, waitForEnd } from "../runtime/process.ts";
import { testFolder } from "../testing/folder.ts";
import { lockStateDir } from "./lock.ts";

function start(command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function endedProcess() {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  const identity = identify(child.pid);
  child.kill("SIGKILL");
  await waitForEnd(identity, 5_000);
  return identity;
}

describe("a state directory", () => {
  it("is locked until the process that holds it has ended", async () => {
    const folder = testFolder();
    const other = spawn("sleep", ["60"], { stdio: "ignore" });
    onTestFinished(() => void other.kill("SIGKILL"));
    const identity = identify(other.pid);
    writeFileSync(join(folder, "agent.lock"), JSON.stringify(identity));
    expect(() => lockStateDir(folder)).toThrow(`process ${other.pid}`);
    other.kill("SIGKILL");
    await waitForEnd(identity, 5_000);
    const unlock = lockStateDir(folder);
    expect(() => lockStateDir(folder)).toThrow(`process ${process.pid}`);
    expect(readdirSync(folder)).toEqual(["agent.lock"]);
    unlock();
    unlock();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(["", "{", '{"pid":1}'])("is not locked by a file without a holder: %j", (text) => {
    const folder = testFolder();
    writeFileSync(join(folder, "agent.lock"), text);
    lockStateDir(folder)();
    expect(existsSync(join(folder, "agent.lock"))).toBe(false);
  });

  it("is not unlocked by one that no longer holds it", async () => {
    const folder = testFolder();
    const unlock = lockStateDir(folder);
    writeFileSync(join(folder, "agent.lock"), JSON.stringify(await endedProcess()));
    unlock();
    expect(existsSync(join(folder, "agent.lock"))).toBe(true);
  });
});

/** Tries at the given moment in each folder it is sent; then releases what it has got. */
const CONTENDER = `
  const { lockStateDir } = await import(${JSON.stringify(import.meta.resolve("./lock.ts"))});
  let unlock;
  process.on("message", ({ folder, atMs }) => {
    if (folder === undefined) { unlock?.(); unlock = undefined; process.send({}); return; }
    while (Date.now() < atMs);
    try { unlock = lockStateDir(folder); process.send({ taken: true }); }
    catch (error) { process.send({ taken: false, message: error.message }); }
  });
  process.send({});`;

type Outcome = { taken?: boolean; message?: string };

async function ask(child: ChildProcess, message: object): Promise<Outcome> {
  const answer = once(child, "message");
  child.send(message);
  return (await answer)[0] as Outcome;
}

it("of two processes that start at once exactly one takes the lock, each time", async () => {
  const args = ["--input-type=module", "--eval", CONTENDER];
  const contenders = [start(process.execPath, args), start(process.execPath, args)];
  await Promise.all(contenders.map((child) => once(child, "message")));
  const stale = await endedProcess();
  const folder = testFolder();
  const path = join(folder, "agent.lock");
  for (let round = 0; round < 60; round += 1) {
    if (round % 3 > 0) writeFileSync(path, JSON.stringify(stale));
    // The process that replaced it has ended, too.
    const guard = `${path}.${stale.pid}-${stale.startTicks}`;
    if (round % 3 === 2) writeFileSync(guard, JSON.stringify({ ...stale, bootId: "another" }));
    const atMs = Date.now() + 5;
    const outcomes = await Promise.all(contenders.map((child) => ask(child, { folder, atMs })));
    const winner = outcomes.findIndex(({ taken }) => taken);
    const loser = outcomes.find(({ taken }) => !taken);
    expect(outcomes.filter(({ taken }) => taken)).toHaveLength(1);
    expect(loser?.message).toContain(`process ${contenders[winner]?.pid}, uses ${folder}`);
    await Promise.all(contenders.map((child) => ask(child, {})));
    expect(readdirSync(folder)).toEqual([]);
  }
}, 60_000);
