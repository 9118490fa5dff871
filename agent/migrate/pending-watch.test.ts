import { expect, it } from "vitest";
import { parsePending } from "./pending-watch.ts";

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
