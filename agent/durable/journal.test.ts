import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { JournalFile } from "./journal.ts";

type Entry = { n: number };

const numbers = (...ns: number[]): Entry[] => ns.map((n) => ({ n }));

function reopen(path: string): Entry[] {
  const journal = new JournalFile<Entry>(path, () => []);
  const entries = journal.open();
  journal.close();
  return entries;
}

describe("a journal", () => {
  it("returns what was appended, over restarts, readable by its owner only", () => {
    const path = join(testFolder(), "state", "x.jsonl");
    for (const n of [1, 2]) {
      const journal = new JournalFile<Entry>(path, () => []);
      journal.open();
      journal.append({ n });
      journal.close();
    }
    expect(reopen(path)).toEqual(numbers(1, 2));
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it.each(["{", '{"n":3', '{"n":3}x', "\u0000\u0000"])("drops a torn last line: %j", (torn) => {
    const path = join(testFolder(), "x.jsonl");
    writeFileSync(path, `{"n":1}\n${torn}`);
    const journal = new JournalFile<Entry>(path, () => []);
    expect(journal.open()).toEqual(numbers(1));
    journal.append({ n: 2 });
    journal.close();
    expect(reopen(path)).toEqual(numbers(1, 2));
  });

  it("keeps a last line that lacks only its line feed", () => {
    const path = join(testFolder(), "x.jsonl");
    writeFileSync(path, '{"n":1}');
    const journal = new JournalFile<Entry>(path, () => []);
    journal.open();
    journal.append({ n: 2 });
    journal.close();
    expect(reopen(path)).toEqual(numbers(1, 2));
  });

  it("is rewritten with the live entries, and always has the newest one", () => {
    const path = join(testFolder(), "x.jsonl");
    const live: Entry[] = [];
    const journal = new JournalFile<Entry>(path, () => live.slice(-2), 5);
    journal.open();
    for (let n = 1; n <= 23; n += 1) {
      journal.append({ n });
      live.push({ n });
      expect(reopen(path).at(-1)).toEqual({ n });
    }
    expect(reopen(path).length).toBeLessThan(8);
    journal.close();
  });

  it("is unchanged when it cannot be rewritten", () => {
    const path = join(testFolder(), "x.jsonl");
    // A folder: the new file cannot be written.
    mkdirSync(`${path}.new`);
    const journal = new JournalFile<Entry>(path, () => [], 2);
    journal.open();
    for (const entry of numbers(1, 2, 3, 4)) journal.append(entry);
    journal.close();
    expect(reopen(path)).toEqual(numbers(1, 2, 3, 4));
  });

  it("refuses an entry that is written only in part, and takes the next one", () => {
    const path = join(testFolder(), "x.jsonl");
    // A file size limit of 1 KiB cuts a write short just as a full disk does.
    const script = `
      process.on("SIGXFSZ", () => {});
      const { JournalFile } = await import(${JSON.stringify(import.meta.resolve("./journal.ts"))});
      const journal = new JournalFile(${JSON.stringify(path)}, () => []);
      journal.open();
      let failed = 0;
      for (let n = 1; n <= 100; n += 1) {
        try { journal.append({ n, text: "x".repeat(50) }); } catch { failed += 1; }
      }
      console.log(failed);`;
    const node = [process.execPath, "--input-type=module", "--eval", script];
    const limited = ["-c", 'ulimit -f 1 && exec "$@"', "bash", ...node];
    const failed = Number(execFileSync("bash", limited, { encoding: "utf8" }));
    expect(failed).toBeGreaterThan(50);
    const kept = reopen(path).map(({ n }) => n);
    expect(kept).toEqual(Array.from({ length: 100 - failed }, (_, index) => index + 1));
    const journal = new JournalFile<Entry>(path, () => []);
    journal.open();
    journal.append({ n: 1_000 });
    journal.close();
    expect(reopen(path).at(-1)).toEqual({ n: 1_000 });
  });

  it("refuses to open when it cannot be read", () => {
    const path = join(testFolder(), "x.jsonl");
    mkdirSync(path);
    expect(() => new JournalFile<Entry>(path, () => []).open()).toThrow("EISDIR");
  });

  it("skips lines that are not JSON, and counts them", () => {
    const path = join(testFolder(), "x.jsonl");
    writeFileSync(path, '{"n":1}\n\n###\n{"n":2}\n');
    const journal = new JournalFile<Entry>(path, () => []);
    expect(journal.open()).toEqual(numbers(1, 2));
    expect(journal.skippedLines).toBe(1);
    journal.close();
    expect(readFileSync(path, "utf8")).toContain("###");
  });
});
