import { expect, it } from "vitest";
import { GroupSync } from "./group-sync.ts";

/** Syncs that end when they are told to. */
function syncs() {
  const running: PromiseWithResolvers<void>[] = [];
  const group = new GroupSync(() => {
    const sync = Promise.withResolvers<void>();
    running.push(sync);
    return sync.promise;
  });
  const ended: string[] = [];
  const wait = (name: string) => group.settled().then(() => void ended.push(name));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { group, running, ended, wait, turn };
}

it("without a write nothing is waited for", async () => {
  const { group, running } = syncs();
  await group.settled();
  expect(running).toHaveLength(0);
});

it("one sync is for all that was written before it, a next one for what came meanwhile", async () => {
  const { group, running, ended, wait, turn } = syncs();
  group.mark();
  const first = [wait("a"), wait("b")];
  group.mark();
  const later = wait("c");
  expect(running).toHaveLength(1);
  running[0]?.resolve();
  await Promise.all(first);
  await turn();
  expect(ended).toEqual(["a", "b"]);
  expect(running).toHaveLength(2);
  running[1]?.resolve();
  await later;
  await group.settled();
  expect(running).toHaveLength(2);
});

it("after a sync that failed nothing is said to be on the disk", async () => {
  const { group, running, wait } = syncs();
  group.mark();
  const waiting = wait("a");
  running[0]?.reject(new Error("EIO"));
  await expect(waiting).rejects.toThrow("EIO");
  await expect(group.settled()).rejects.toThrow("EIO");
  expect(running).toHaveLength(1);
});
