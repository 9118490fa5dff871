import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { type AckSeen, AckWatch, endOfLog, parseAck } from "./ack-watch.ts";

const name = "source_return_path_thread_switchover_acked";

describe("a line of QEMU's log", () => {
  it.each([
    ["10.0", `4711@1763717000.123456:${name} `, 0, 1763717000123.456],
    ["10.0 without a prefix", `${name} `, 0, undefined],
    [
      "11.1",
      `2026-11-21T09:30:00.250000Z ${name} switchover_ack_pending_num 2`,
      2,
      Date.parse("2026-11-21T09:30:00.250Z"),
    ],
    ["11.1 without a prefix", `${name} switchover_ack_pending_num 0`, 0, undefined],
  ])("of %s is understood", (_, line, pending, atMs) => {
    expect(parseAck(line)).toEqual({ pending, atMs });
  });

  it.each([
    "",
    "4711@1763717000.123456:migrate_set_state new state active",
    "source_return_path_thread_switchover",
    "1 2 3",
  ])("that is another one is not an ACK: %j", (line) => {
    expect(parseAck(line)).toBeUndefined();
  });
});

describe("the watch over a log", () => {
  function watch(path: string, offset = endOfLog(path)) {
    const seen: AckSeen[] = [];
    const it = new AckWatch(path, offset, (ack) => seen.push(ack));
    onTestFinished(() => it.close());
    return { seen, it };
  }

  it("sees lines as they are written, device after device", async () => {
    const path = join(testFolder(), "qemu.log");
    const { seen } = watch(path);
    appendFileSync(path, `${name} switchover_ack_pending_num 1\n`);
    await vi.waitFor(() => expect(seen.map(({ pending }) => pending)).toEqual([1]), 5_000);
    appendFileSync(path, `other\n${name} switchover_ack_pending_num 0\n`);
    await vi.waitFor(() => expect(seen.map(({ pending }) => pending)).toEqual([1, 0]), 5_000);
  });

  it("does not take an earlier migration's ACK for this one's", () => {
    const path = join(testFolder(), "qemu.log");
    writeFileSync(path, `${name} \n`);
    const { seen, it } = watch(path);
    it.poll();
    expect(seen).toEqual([]);
    expect(watch(path, 0).seen).toHaveLength(1);
  });

  it("waits for the rest of a line, and skips one of any length that is not ours", () => {
    const path = join(testFolder(), "qemu.log");
    const { seen, it } = watch(path);
    appendFileSync(path, `${"x".repeat(200_000)}\n${name.slice(0, 10)}`);
    it.poll();
    expect(seen).toEqual([]);
    appendFileSync(path, `${name.slice(10)} switchover_ack_pending_num 12`);
    it.poll();
    expect(seen).toEqual([]);
    appendFileSync(path, "3\n");
    it.poll();
    expect(seen).toMatchObject([{ pending: 123 }]);
  });

  it("goes on when the log was cut short", () => {
    const path = join(testFolder(), "qemu.log");
    writeFileSync(path, "x".repeat(1_000));
    const { seen, it } = watch(path);
    truncateSync(path, 0);
    appendFileSync(path, `${name} \n`);
    it.poll();
    expect(seen).toHaveLength(1);
  });

  it("sees nothing after it was closed", () => {
    const path = join(testFolder(), "qemu.log");
    const { seen, it } = watch(path);
    it.close();
    it.close();
    appendFileSync(path, `${name} \n`);
    it.poll();
    expect(seen).toEqual([]);
  });
});
