import {
  copyFileSync,
  existsSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CommandLog } from "../command/command-log.ts";
import { testFolder } from "../testing/folder.ts";
import { AgentStore } from "./store.ts";

const FILE = "agent.sqlite";
const insert = "INSERT INTO events VALUES (?, 0, 'x', NULL)";
const count = (store: AgentStore) => store.get("SELECT count(*) AS n FROM events")?.n;

describe("the agent's store", () => {
  it("keeps what was written, for its owner only, shared by all who open it", () => {
    const folder = join(testFolder(), "state");
    const [first, second] = [new AgentStore(folder), new AgentStore(folder)];
    first.run(insert, 1);
    first.close();
    first.close();
    expect(count(second)).toBe(1);
    expect(() => first.run(insert, 2)).toThrow("open");
    second.close();
    const again = new AgentStore(folder);
    expect(count(again)).toBe(1);
    for (const name of readdirSync(folder)) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    }
    again.close();
  });

  it("has all writes of a transaction or none", () => {
    const store = new AgentStore(testFolder());
    const work = () => {
      store.run(insert, 1);
      throw new Error("in between");
    };
    expect(() => store.inTransaction(work)).toThrow("in between");
    expect(count(store)).toBe(0);
    store.close();
  });

  it("after a power failure has what was flushed", async () => {
    const folder = testFolder();
    const store = new AgentStore(folder);
    store.run(insert, 1);
    await Promise.all([store.flush(), store.flush()]);
    const after = testFolder();
    for (const name of [FILE, `${FILE}-wal`]) {
      copyFileSync(join(folder, name), join(after, name));
    }
    const found = new AgentStore(after);
    expect(count(found)).toBe(1);
    found.close();
    store.close();
  });

  it("empties its log in a quiet moment, and without one when it is very long", () => {
    const folder = testFolder();
    const store = new AgentStore(folder);
    const logBytes = () => statSync(join(folder, `${FILE}-wal`)).size;
    const fill = () =>
      store.run("INSERT INTO events VALUES (NULL, 0, ?, NULL)", "x".repeat(5 << 20));
    fill();
    store.checkpoint(false);
    expect(logBytes()).toBeGreaterThan(5 << 20);
    store.checkpoint(true);
    expect(logBytes()).toBeLessThan(1 << 20);
    for (let n = 0; n < 14; n += 1) fill();
    store.checkpoint(false);
    expect(logBytes()).toBeLessThan(1 << 20);
    store.close();
  });
});

describe("4.7: a store that is damaged", () => {
  it.each<[string, (path: string) => void]>([
    ["is empty", (path) => writeFileSync(path, "")],
    ["is no database", (path) => writeFileSync(path, "x".repeat(8_192))],
    ["is cut short", (path) => truncateSync(path, statSync(path).size - 4_096)],
  ])("and %s is refused by name, with what to do", (_, damage) => {
    const folder = testFolder();
    new AgentStore(folder).close();
    const path = join(folder, FILE);
    damage(path);
    expect(() => new AgentStore(folder)).toThrow(`${path} is damaged`);
    expect(() => new AgentStore(folder)).toThrow("move the file away");
  });

  it("in a row is refused, and names the row", () => {
    const folder = testFolder();
    const store = new AgentStore(folder);
    store.run("INSERT INTO commands VALUES ('vm1.start.1', ?, '{')", Date.now());
    store.close();
    expect(() => new CommandLog(folder)).toThrow(/agent.sqlite is damaged .*vm1.start.1/);
  });

  it("of a newer agent is refused", () => {
    const folder = testFolder();
    const store = new AgentStore(folder);
    store.run("PRAGMA user_version = 9");
    store.close();
    expect(() => new AgentStore(folder)).toThrow("newer agent");
  });
});

describe("4.7: the journals of an older agent", () => {
  const begun = '{"begun":"vm1.start.1","atMs":1}';
  const epoch = '{"vm":"vm1","epoch":7}';

  it("are read once, without a torn last line", () => {
    const folder = testFolder();
    const path = join(folder, "commands.jsonl");
    writeFileSync(path, `${begun.replace(":1}", `:${Date.now()}}`)}\n${epoch}\n{"ob`);
    for (let n = 1; n <= 2; n += 1) {
      const log = new CommandLog(folder);
      expect(log.isInDoubt("vm1.start.1" as never)).toBe(true);
      expect(log.epochOf("vm1" as never)).toBe(7);
      log.close();
    }
    expect([existsSync(path), existsSync(`${path}.imported`)]).toEqual([false, true]);
  });

  it("are refused when a line within is damaged, which is named", () => {
    const folder = testFolder();
    const path = join(folder, "commands.jsonl");
    writeFileSync(path, `${begun}\n###\n${epoch}\n`);
    expect(() => new CommandLog(folder)).toThrow(`${path}: line 2 is damaged`);
    expect(existsSync(path)).toBe(true);
  });
});
