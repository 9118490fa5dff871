import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CounterTimeoutError, parseSerialLog, readCounter, waitForCounter } from "./serial.ts";

const GREETING = "switchyard guest ready\r\n";

describe("parseSerialLog", () => {
  it("finds nothing in an empty log", () => {
    expect(parseSerialLog("")).toEqual({
      ready: false,
      counter: undefined,
      errors: undefined,
      lines: [],
    });
  });

  it("reads the greeting, the last counter and every line", () => {
    const log = parseSerialLog(`${GREETING}counter=10 errors=0\r\ncounter=20 errors=3\r\n`);
    expect(log).toEqual({
      ready: true,
      counter: 20,
      errors: 3,
      lines: [
        { counter: 10, errors: 0 },
        { counter: 20, errors: 3 },
      ],
    });
  });

  it("passes over what the BIOS prints, even on the guest's own line", () => {
    const bios = "\u001bc\u001b[?7l\u001b[2JSeaBIOS (version 1.16)\r\nBooting from Hard Disk...";
    const log = parseSerialLog(`${bios}${GREETING}\0\0counter=10 errors=0\r\n`);
    expect(log).toMatchObject({ ready: true, counter: 10, errors: 0 });
  });

  it.each(["counter=2", "counter=20 errors=0", "counter=20 errors=0\r", "counter=20 err"])(
    "does not take the unfinished line %j for a reading",
    (unfinished) => {
      expect(parseSerialLog(`counter=10 errors=0\r\n${unfinished}`).counter).toBe(10);
    },
  );

  it.each(["ounter=1230 errors=0\r\n", "=1230 errors=0\r\n", "30 errors=0\r\n", "\n"])(
    "does not take %j, cut at its start, for a reading",
    (cut) => {
      expect(parseSerialLog(cut)).toMatchObject({ ready: false, counter: undefined });
      expect(parseSerialLog(`${cut}counter=1240 errors=0\r\n`).lines).toHaveLength(1);
    },
  );

  it("reads source and target, cut within a line, as one log", () => {
    const source = "counter=10 errors=0\r\ncounter=2";
    const target = "0 errors=0\r\ncounter=30 errors=0\r\n";
    expect(parseSerialLog(source + target).lines.map(({ counter }) => counter)).toEqual([
      10, 20, 30,
    ]);
  });
});

describe("a serial log file", () => {
  let directory = "";
  let path = "";

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "switchyard-serial-"));
    path = join(directory, "log");
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("has no counter before it exists", async () => {
    expect(await readCounter(path)).toBeUndefined();
  });

  it("gives its last counter however long it is", async () => {
    const lines = Array.from({ length: 2_000 }, (_, i) => `counter=${i * 10} errors=0\r\n`);
    await writeFile(path, lines.join(""));
    expect(await readCounter(path)).toEqual({ counter: 19_990, errors: 0 });
  });

  it("reports a file it may not read as such", async () => {
    await expect(readCounter(directory)).rejects.toMatchObject({ code: "EISDIR" });
  });

  it("is watched until the counter satisfies", async () => {
    await writeFile(path, "counter=10 errors=0\r\n");
    const waiting = waitForCounter(path, ({ counter }) => counter >= 20, { timeoutMs: 10_000 });
    await appendFile(path, "counter=20 errors=0\r\n");
    expect(await waiting).toEqual({ counter: 20, errors: 0 });
  });

  it("is given up at the deadline, with the last reading", async () => {
    await writeFile(path, "counter=10 errors=7\r\n");
    const waiting = waitForCounter(path, () => false, { timeoutMs: 60 });
    await expect(waiting).rejects.toThrow(CounterTimeoutError);
    await expect(waiting).rejects.toMatchObject({ last: { counter: 10, errors: 7 } });
  });

  it("is left alone once the signal aborts", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = waitForCounter(path, () => true, { timeoutMs: 10_000, signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
  });
});
