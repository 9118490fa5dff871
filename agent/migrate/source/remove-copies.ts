import { setTimeout as delay } from "node:timers/promises";
import { COPIES_MAX } from "../../../core/storage-copy/copied-disk.ts";
import type { QmpClient } from "../../../qmp/client.ts";
import { QmpCommandError, QmpTimeoutError } from "../../../qmp/error.ts";
import { copyNode, isCopyJob, isCopyNode } from "../../guest/copy-names.ts";
import type { Guest } from "../../guest/guest.ts";
import { copiesUnlocked } from "./copy-locks.ts";

/** A job that waits for its target does not end by itself. */
const ENDING_MS = 1_000;
const YANKED_MS = 10_000;
const POLL_MS = 20;

/**
 * Ends all copies of a guest's disks and removes what they have added to the source's QEMU. The
 * guest's own disks stay as they are. Repeated, it changes nothing.
 *
 * @param lockedMs how long it waits while another process has a lock on an image, default 0
 * @param beginning the start of the copies, where it may be under way: it never fails
 * @throws QmpError; QmpTimeoutError when a job does not end; CommandRefusedError when an image is locked
 */
export async function removeCopies(
  guest: Guest,
  { beginning, lockedMs = 0 }: { beginning?: Promise<void> | undefined; lockedMs?: number } = {},
): Promise<void> {
  const { qmp } = guest;
  // By a timer: QEMU's main loop, and with it the guest, may wait for a target that does not answer,
  // and then no command but an out-of-band one is carried out.
  const yank = setInterval(() => {
    yankCopies(qmp, COPIES_MAX).catch(() => undefined);
  }, ENDING_MS);
  try {
    await beginning;
    if ((await copyJobs(qmp)).length > 0) await copiesUnlocked(guest, lockedMs);
    await endJobs(qmp);
    await removeCopyNodes(qmp);
  } finally {
    clearInterval(yank);
  }
}

async function endJobs(qmp: QmpClient): Promise<void> {
  const jobs = await copyJobs(qmp);
  for (const { device } of jobs) {
    await unlessGone(qmp.execute("block-job-cancel", { device, force: true }));
  }
  const deadlineMs = performance.now() + YANKED_MS;
  while ((await copyJobs(qmp)).length > 0) {
    if (performance.now() > deadlineMs) {
      throw new QmpTimeoutError("block-job-cancel", YANKED_MS, true);
    }
    await delay(POLL_MS);
  }
}

/** @throws QmpError */
export async function removeCopyNodes(qmp: QmpClient): Promise<void> {
  const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
  const names = nodes.flatMap((node) => node["node-name"] ?? []).filter(isCopyNode);
  for (const name of names) await removeCopyNode(qmp, name);
}

/** @throws QmpError */
export async function removeCopyNode(qmp: QmpClient, name: string): Promise<void> {
  await unlessGone(qmp.execute("blockdev-del", { "node-name": name }));
}

/**
 * Cuts the connections to the target's images, out of band: what waits for them fails, and the guest
 * that waits for that goes on.
 */
export async function yankCopies(qmp: QmpClient, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const instance = { type: "block-node", "node-name": copyNode(index) } as const;
    await unlessGone(qmp.execute("yank", { instances: [instance] }));
  }
}

export async function copyJobs(qmp: QmpClient) {
  const jobs = await qmp.execute("query-block-jobs");
  return jobs.filter(({ device }) => isCopyJob(device));
}

async function unlessGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof QmpCommandError)) throw error;
  }
}
