import { beforeEach, describe, expect, it, vi } from "vitest";
import { CommandId, HostId, VmId } from "../../core/id.ts";
import { type Command, Verb } from "../../core/protocol/command.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import { quietLog } from "../runtime/testing/quiet-log.ts";
import { testFolder } from "../testing/folder.ts";
import { CommandRefusedError } from "./command-error.ts";
import { CommandLog } from "./command-log.ts";
import { Dispatcher, type Handler, type Handlers } from "./dispatcher.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const discarded = { discarded: true };

let folder: string;
let log: CommandLog;
let emitted: EventBody[];
let handled: string[];
let handler: Handler;
let dispatcher: Dispatcher;
let emitFails: boolean;

beforeEach(() => {
  folder = testFolder();
  emitted = [];
  handled = [];
  emitFails = false;
  handler = async () => discarded;
  restart();
});

/** As after a restart of the agent. */
function restart(): void {
  log?.close();
  log = new CommandLog(folder, () => NOW);
  const call: Handler = (command, args) => {
    handled.push(command.id);
    return handler(command, args);
  };
  dispatcher = new Dispatcher({
    host: HostId.parse("here"),
    handlers: Object.fromEntries(Verb.options.map((verb) => [verb, call])) as Handlers,
    commands: log,
    emit: (body) => {
      if (emitFails) throw new Error("ENOSPC");
      emitted.push(body);
    },
    log: quietLog(),
    now: () => NOW,
  });
}

let count = 0;
function command(change: Partial<Record<keyof Command, unknown>> = {}): Command {
  count += 1;
  return {
    id: CommandId.parse(`vm1.discard.${count}`),
    host: HostId.parse("here"),
    vm: VmId.parse("vm1"),
    epoch: 1,
    verb: "target.discard",
    args: {},
    issuedAt: new Date(NOW).toISOString(),
    expiresAt: new Date(NOW + 1_000).toISOString(),
    ...change,
  } as Command;
}

const refusal = (code: string) =>
  expect.objectContaining({
    type: "command.failed",
    error: expect.objectContaining({ code }),
  });

const nothingObserved: Observation = {
  side: "source",
  process: "none",
  remembers: false,
  permittedToRun: false,
  contSent: false,
  arrived: false,
  saidCompleted: false,
  linkUp: false,
};

describe("at most once", () => {
  it.each([false, true])("a repeated command gets the recorded answer; restart: %s", async (is) => {
    const one = command();
    await dispatcher.take(one);
    if (is) restart();
    handler = () => Promise.reject(new Error("must not run"));
    await dispatcher.take({ ...one, expiresAt: new Date(NOW - 1).toISOString() });
    expect(handled).toEqual([one.id]);
    const completed = { type: "command.completed", commandId: one.id, result: discarded };
    expect(emitted).toEqual([completed, completed]);
  });

  it("a failure is recorded too", async () => {
    handler = () => Promise.reject(new CommandRefusedError("refused", "no"));
    const one = command();
    await dispatcher.take(one);
    handler = async () => discarded;
    await dispatcher.take(one);
    expect(handled).toHaveLength(1);
    expect(emitted).toEqual([refusal("refused"), refusal("refused")]);
  });

  it("a copy of a running command waits for it and does not run", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    handler = () => promise.then(() => discarded);
    const one = command();
    const first = dispatcher.take(one);
    let over = false;
    const second = dispatcher.take(one).then(() => {
      over = true;
    });
    await new Promise((done) => setImmediate(done));
    expect(over).toBe(false);
    resolve();
    await Promise.all([first, second]);
    expect(handled).toEqual([one.id]);
    expect(emitted).toHaveLength(1);
  });

  it("a command that was running when the agent died is refused; a read-only one runs again", async () => {
    handler = () => new Promise(() => undefined);
    const act = command();
    const observe = command({ verb: "migration.observe", vm: VmId.parse("vm2") });
    void dispatcher.take(act);
    void dispatcher.take(observe);
    await vi.waitFor(() => expect(handled).toHaveLength(2), 20_000);
    restart();
    handler = async () => nothingObserved;
    await dispatcher.take(act);
    await dispatcher.take(observe);
    expect(emitted).toEqual([
      refusal("refused"),
      expect.objectContaining({ type: "command.completed", commandId: observe.id }),
    ]);
  });
});

describe("refused without running", () => {
  it("a command for another host, without an answer", async () => {
    await dispatcher.take(command({ host: HostId.parse("there") }));
    expect([handled, emitted]).toEqual([[], []]);
  });

  it.each([
    ["expired", { expiresAt: new Date(NOW - 1).toISOString() }],
    ["invalid", { args: { more: 1 } }],
    ["invalid", { args: undefined }],
    ["invalid", { verb: "guest.stop", args: { mode: "kill" } }],
  ])("%s: %j", async (code, change) => {
    await dispatcher.take(command(change));
    expect(handled).toEqual([]);
    expect(emitted).toEqual([refusal(code)]);
  });

  it("an older epoch than one seen for this VM, also after a restart", async () => {
    await dispatcher.take(command({ epoch: 5 }));
    restart();
    await dispatcher.take(command({ epoch: 4 }));
    await dispatcher.take(command({ epoch: 4, vm: VmId.parse("vm2") }));
    expect(emitted.map(({ type }) => type)).toEqual([
      "command.completed",
      "command.failed",
      "command.completed",
    ]);
    expect(emitted[1]).toEqual(refusal("stale-epoch"));
  });

  it.each([
    ["guest.start", -1, "refused"],
    ["target.prepare", -1, "refused"],
    ["guest.start", 0, "carried out"],
    ["target.discard", -1, "carried out"],
    ["migration.observe", -1, "carried out"],
  ])(
    "after a crash of the host: %s, sent %i ms after it registered, is %s",
    async (verb, ms, outcome) => {
      log.noteRegistered("boot-1", new Date(NOW).toISOString());
      restart();
      const args = verb.startsWith("guest") ? { definition: { memoryBytes: 2 ** 20 } } : {};
      const issuedAt = new Date(NOW + ms).toISOString();
      await dispatcher.take(command({ verb, args, issuedAt }));
      if (outcome === "refused") expect(emitted).toEqual([refusal("refused")]);
      expect(handled).toHaveLength(outcome === "refused" ? 0 : 1);
    },
  );

  it("when the journal cannot be written; the command runs when it is delivered again", async () => {
    const one = command();
    log.close();
    emitFails = true;
    await expect(dispatcher.take(one)).rejects.toThrow("ENOSPC");
    expect(handled).toEqual([]);
    emitFails = false;
    restart();
    await dispatcher.take(one);
    expect(handled).toEqual([one.id]);
  });

  it("an answer that does not match the schema of its verb is not sent", async () => {
    handler = async () => ({ discarded: "perhaps" });
    await dispatcher.take(command());
    expect(emitted).toEqual([refusal("internal")]);
  });
});

describe("order", () => {
  it("per VM one after the other; other VMs and observations do not wait", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    handler = ({ id }) =>
      id === slow.id ? promise.then(() => discarded) : Promise.resolve(discarded);
    const slow = command();
    const next = command();
    const other = command({ vm: VmId.parse("vm2") });
    const observe = command({ verb: "migration.observe" });
    const all = [slow, next, other, observe].map((one) => dispatcher.take(one));
    await Promise.all(all.slice(2));
    expect(handled).toEqual(expect.arrayContaining([slow.id, other.id, observe.id]));
    expect(handled).not.toContain(next.id);
    resolve();
    await Promise.all(all);
    expect(handled.at(-1)).toBe(next.id);
  });

  it("a command whose answer is lost does not affect the next", async () => {
    emitFails = true;
    handler = async () => {
      emitFails = handled.length < 2;
      return discarded;
    };
    const first = dispatcher.take(command());
    const second = dispatcher.take(command());
    await expect(first).rejects.toThrow("ENOSPC");
    await second;
    expect(handled).toHaveLength(2);
    expect(emitted).toHaveLength(1);
  });

  it("more than 100 waiting commands stay in the queue", async () => {
    handler = () => new Promise(() => undefined);
    for (let n = 0; n < 100; n += 1) void dispatcher.take(command());
    await expect(dispatcher.take(command())).rejects.toThrow("100 commands are waiting");
    await vi.waitFor(() => expect(handled).toHaveLength(1), 20_000);
  });
});

describe("a migration that was observed", () => {
  const migrationId = "mig_01J00000000000000000000000";
  const vm = VmId.parse("vm2");
  const start = (number: number) =>
    command({
      id: CommandId.parse(`${migrationId}.start.${number}`),
      vm,
      migrationId,
      verb: "source.start",
      args: startArgs,
    });
  const observe = (number: number) =>
    command({
      id: CommandId.parse(`${migrationId}.observe-source.${number}`),
      vm,
      migrationId,
      verb: "migration.observe",
    });
  const startArgs = {
    settings: { capabilities: {}, parameters: {} },
    migrationUri: "tcp:127.0.0.1:4444",
    handover: { address: "127.0.0.1", port: 4445 },
    handoverKey: "00".repeat(32),
    ackExpected: false,
    precopyDeadlineMs: 1_000,
  };

  it.each([false, true])("is not taken forward by a late command; restart: %s", async (is) => {
    handler = async () => nothingObserved;
    await dispatcher.take(observe(1));
    if (is) restart();
    await dispatcher.take(start(1));
    expect(handled).toHaveLength(1);
    expect(emitted.at(-1)).toEqual(refusal("refused"));
  });

  it("is observed after the forward verb that is running", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    handler = () => promise.then(() => ({ startedAtMs: 1 }));
    const late = start(2);
    const forward = dispatcher.take(late);
    await vi.waitFor(() => expect(handled).toEqual([late.id]), 20_000);
    const observing = dispatcher.take(observe(2));
    await new Promise((done) => setImmediate(done));
    expect(handled).toEqual([late.id]);
    resolve();
    await Promise.all([forward, observing]);
    expect(handled).toHaveLength(2);
  });
});
