import { copyFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { AgentStore } from "./store.ts";

const FILE = "agent.sqlite";
const insert = "INSERT INTO events VALUES (?, 0, 'x', NULL)";
const count = (store: AgentStore) => store.get("SELECT count(*) AS n FROM events")?.n;

describe("the agent's store", () => {
  it("keeps what was written, for its owner only, shared by all who open it", () => {
    const folder = join(testFolder(), "state");
    const first = new AgentStore(folder);
    const second = new AgentStore(folder);
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

  it("of a newer agent is refused", () => {
    const folder = testFolder();
    const store = new AgentStore(folder);
    store.run("PRAGMA user_version = 9");
    store.close();
    expect(() => new AgentStore(folder)).toThrow("newer agent");
  });
});
