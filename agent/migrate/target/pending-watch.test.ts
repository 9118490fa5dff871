import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { quietLog } from "../../runtime/testing/quiet-log.ts";
import { PendingWatch, parsePending } from "./pending-watch.ts";

const folder = mkdtempSync(join(tmpdir(), "sy-"));
afterAll(() => rmSync(folder, { recursive: true }));
const count = (pending: number) =>
  `1@1795255480.${pending}00000:loadvm_approve_switchover Switchover ack pending num=${pending}\n`;

it.each([
  ["loadvm_state_switchover_ack_needed Switchover ack pending num=2", 2],
  ["loadvm_approve_switchover Switchover ack pending num=0", 0],
])("%s is a count", (text, pending) => {
  expect(parsePending(`4711@1795255480.196660:${text}`)).toEqual({
    pending,
    atMs: 1_795_255_480_196.66,
  });
});

it.each([
  "4711@1795255480.196660:loadvm_approve_switchover Approver 0000:00:04.0/vfio",
  "4711@1795255480.196660:source_return_path_thread_switchover_acked",
  "pending num=1",
])("%s is none", (line) => {
  expect(parsePending(line)).toBeUndefined();
});

it("counts are reported in order, none of before, at once when asked to", async () => {
  const logPath = join(folder, "qemu.log");
  writeFileSync(logPath, count(3));
  const reported: number[] = [];
  const watch = new PendingWatch({ logPath }, quietLog(), ({ pending }) => reported.push(pending));
  appendFileSync(logPath, count(2));
  appendFileSync(logPath, count(1));
  await vi.waitFor(() => expect(reported).toEqual([2, 1]), 20_000);
  appendFileSync(logPath, count(0));
  await vi.waitFor(() => {
    watch.flush();
    expect(reported).toEqual([2, 1, 0]);
  }, 20_000);
  watch.close();
});
