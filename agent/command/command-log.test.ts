import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CommandId, HostId, VmId } from "../../core/id.ts";
import type { Command } from "../../core/protocol/command.ts";
import { AgentStore } from "../durable/store.ts";
import { testFolder } from "../testing/folder.ts";
import { CommandLog } from "./command-log.ts";

const id = CommandId.parse("vm1.guest-start.1");
const vm = VmId.parse("vm1");
const command: Command = {
  id,
  vm,
  host: HostId.parse("a"),
  epoch: 3,
  verb: "guest.start",
  args: {},
  issuedAt: "2026-01-01T00:00:00Z",
  expiresAt: "2026-01-01T00:01:00Z",
};
const answer = { result: { discarded: true } };

describe("the log of commands", () => {
  it("keeps answers, epochs and commands in doubt over restarts", () => {
    const folder = testFolder();
    const first = new CommandLog(folder);
    first.begin(command);
    first.begin({ ...command, id: CommandId.parse("vm1.guest-start.2"), epoch: 2 });
    first.answer(id, answer);
    first.close();
    const second = new CommandLog(folder);
    expect(second.answerOf(id)).toEqual(answer);
    expect(second.isInDoubt(id)).toBe(false);
    expect(second.isInDoubt(CommandId.parse("vm1.guest-start.2"))).toBe(true);
    expect(second.epochOf(vm)).toBe(3);
    expect(second.epochOf(VmId.parse("vm2"))).toBe(0);
    second.close();
  });

  it("keeps when the host first registered since it was started, over restarts", () => {
    const folder = testFolder();
    const at = (second: number) => `2026-01-01T00:00:0${second}Z`;
    const first = new CommandLog(folder);
    expect(first.firstRegisteredAt).toBeUndefined();
    first.noteRegistered("boot-1", at(1));
    first.close();
    const second = new CommandLog(folder);
    second.noteRegistered("boot-1", at(2));
    expect(second.firstRegisteredAt).toBe(at(1));
    second.noteRegistered("boot-2", at(3));
    expect(second.firstRegisteredAt).toBe(at(3));
    second.close();
  });

  it("drops answers after a day, but no epochs", () => {
    const folder = testFolder();
    let now = 0;
    const first = new CommandLog(folder, () => now);
    first.begin(command);
    first.answer(id, answer);
    now = 25 * 3_600_000;
    for (let n = 0; n < 5_010; n += 1) {
      first.begin({ ...command, id: CommandId.parse(`vm1.observe-${n}.1`) });
    }
    first.close();
    const second = new CommandLog(folder, () => now);
    expect(second.answerOf(id)).toBeUndefined();
    expect(second.isInDoubt(CommandId.parse("vm1.observe-5009.1"))).toBe(true);
    expect(second.epochOf(vm)).toBe(3);
    second.close();
  });

  it("keeps in memory what it could not write", () => {
    const folder = testFolder();
    const log = new CommandLog(folder);
    log.begin(command);
    log.close();
    expect(() => log.answer(id, answer)).toThrow("open");
    expect(log.answerOf(id)).toEqual(answer);
  });
});

it("4.7: a store that is damaged in a row is refused, and names the row", () => {
  const folder = testFolder();
  const store = new AgentStore(folder);
  store.run("INSERT INTO commands VALUES ('vm1.start.1', ?, '{')", Date.now());
  store.close();
  expect(() => new CommandLog(folder)).toThrow(/agent.sqlite is damaged .*vm1.start.1/);
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
