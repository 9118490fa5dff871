import { readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { HostId, MigrationId, VmId } from "../../core/id.ts";
import { EventBatch, type EventBody } from "../../core/protocol/event.ts";
import { quietLog } from "../runtime/testing/quiet-log.ts";
import { testFolder } from "../testing/folder.ts";
import { CloudApi } from "./api.ts";
import { Outbox } from "./outbox.ts";
import { joinedIdentity } from "./testing/joined-identity.ts";

const instance = "instance-1";
const host = HostId.parse("a");
const vm = VmId.parse("vm1");
const migration = {
  migrationId: MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
  vm,
  epoch: 1,
};
const exited = (detail: string | number): EventBody => ({
  type: "guest.exited",
  vm,
  detail: `${detail}`,
});
const stopped: EventBody = { type: "migration.stopped", ...migration };
const LONG_WINDOW_MS = 600_000;
const progress = (transferred: number): EventBody => ({
  type: "migration.progress",
  ...migration,
  progress: { status: "active", ramTransferredBytes: transferred },
});

/** The control plane's rules for events: in order, no gap, seen ones skipped. */
class TestCloud {
  lastSeq = 0;
  readonly taken: { seq: number; text: string }[] = [];
  batches: number[] = [];
  /** The host's key was revoked. */
  refuses = false;
  /** Requests that were refused for it. */
  unauthorized = 0;
  /** Answers in place of the rules; each is used once. */
  readonly answers: { status: number; body: object; take?: boolean }[] = [];
  unfit: string | undefined;
  #server: Server | undefined;
  #port = 0;

  async listen(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += chunk;
      const { status, body } = this.#answer(text);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => {
      this.#server?.listen(this.#port, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (typeof address === "object" && address) this.#port = address.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get texts(): string[] {
    return this.taken.map(({ text }) => text);
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  #answer(text: string): { status: number; body: object } {
    const forced = this.answers.shift();
    if (forced && !forced.take) return forced;
    if (this.refuses) {
      this.unauthorized += 1;
      return { status: 401, body: { code: "unauthorized" } };
    }
    const batch = EventBatch.parse(JSON.parse(text));
    expect(batch.instance).toBe(instance);
    const { events } = batch;
    this.batches.push(events.length);
    const fresh = events.filter(({ seq }) => seq > this.lastSeq);
    if (fresh.some(({ seq }, place) => seq !== this.lastSeq + 1 + place)) {
      return { status: 409, body: { code: "event-gap", expectedSeq: this.lastSeq + 1 } };
    }
    if (this.unfit !== undefined && text.includes(this.unfit)) {
      return { status: 422, body: { code: "invalid" } };
    }
    for (const { seq, body } of fresh) {
      const detail = body.type === "guest.exited" ? body.detail : body.type;
      const bytes = body.type === "migration.progress" ? body.progress.ramTransferredBytes : "";
      this.taken.push({ seq, text: `${detail}${bytes}` });
      this.lastSeq = seq;
    }
    return forced ?? { status: 200, body: { acceptedSeq: this.lastSeq } };
  }
}

let cloud: TestCloud;
let folder: string;
let outbox: Outbox;

function open(batchWindowMs = 20, onSuperseded: () => void = () => undefined): Outbox {
  const identity = joinedIdentity(folder, host);
  const api = new CloudApi({ apiUrl: cloud.url, host, identity, instance });
  outbox = new Outbox({
    api,
    stateDir: folder,
    log: quietLog(),
    retry: { firstMs: 5, maxMs: 20, refusedMs: 20 },
    batchWindowMs,
    onSuperseded,
  });
  return outbox;
}

/** As after a restart of the agent. */
async function restart(): Promise<Outbox> {
  await outbox.stop();
  return open();
}

const empty = () => vi.waitFor(() => expect(outbox.pending).toBe(0), 10_000);

beforeEach(async () => {
  cloud = new TestCloud();
  await cloud.listen();
  folder = testFolder();
  open();
});
afterEach(async () => {
  await outbox.stop();
  await cloud.close();
});

describe("events on their way to the cloud", () => {
  it("arrive in order, numbered without gaps", async () => {
    for (let n = 0; n < 120; n += 1) outbox.emit(exited(n));
    outbox.start(0);
    outbox.emit(exited("last"));
    await empty();
    expect(cloud.texts).toEqual([...Array(120).keys(), "last"].map(String));
    expect(cloud.taken.map(({ seq }) => seq)).toEqual([...Array(121).keys()].map((n) => n + 1));
  });

  it("that are batchable are sent with the next that is not", async () => {
    await outbox.stop();
    open(LONG_WINDOW_MS).start(0);
    outbox.emit(stopped);
    await new Promise(setImmediate);
    outbox.emit(exited("now"));
    await empty();
    expect(cloud.batches).toEqual([2]);
    // Those that were sent do not shorten the window of later ones.
    outbox.emit(stopped);
    await new Promise(setImmediate);
    expect(outbox.pending).toBe(1);
    await outbox.stop(10_000);
    expect(cloud.batches).toEqual([2, 1]);
  });

  it("that are batchable are sent alone when the window is over", async () => {
    outbox.start(0);
    outbox.emit(stopped);
    await empty();
    expect(cloud.texts).toEqual(["migration.stopped"]);
  });

  it("are sent again when the answer was lost, under their old numbers", async () => {
    cloud.answers.push({ status: 500, body: {}, take: true });
    outbox.emit(exited("one"));
    outbox.start(0);
    await empty();
    outbox.emit(exited("two"));
    await empty();
    expect(cloud.texts).toEqual(["one", "two"]);
  });

  it("keep their numbers over a restart", async () => {
    for (let n = 0; n < 8; n += 1) cloud.answers.push({ status: 503, body: {} });
    outbox.emit(exited("one"));
    outbox.start(0);
    await vi.waitFor(() => expect(cloud.answers.length).toBeLessThan(7), 20_000);
    await restart();
    expect(outbox.pending).toBe(1);
    expect(outbox.unreportedExits).toEqual([vm]);
    outbox.emit(exited("two"));
    outbox.start(0);
    await empty();
    expect(cloud.taken).toEqual([
      { seq: 1, text: "one" },
      { seq: 2, text: "two" },
    ]);
    await restart();
    expect(outbox.pending).toBe(0);
    expect(outbox.unreportedExits).toEqual([]);
    outbox.start(cloud.lastSeq);
    outbox.emit(exited("three"));
    await empty();
    expect(cloud.taken.at(-1)).toEqual({ seq: 3, text: "three" });
  });

  it("are not sent again when the cloud has them and the agent does not know", async () => {
    cloud.answers.push({ status: 500, body: {}, take: true });
    outbox.emit(exited("one"));
    outbox.start(0);
    await vi.waitFor(() => expect(cloud.lastSeq).toBe(1), 20_000);
    await restart();
    outbox.start(1);
    outbox.emit(exited("two"));
    await empty();
    expect(cloud.texts).toEqual(["one", "two"]);
  });

  it.each([
    ["restored to an earlier state", 0],
    ["ahead of a host that was set up again", 41],
  ])("continue the numbers of a cloud that is %s", async (_, lastSeq) => {
    outbox.emit(exited("one"));
    outbox.start(0);
    await empty();
    cloud.lastSeq = lastSeq;
    if (lastSeq > 0) {
      await outbox.stop();
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
      open();
      outbox.start(lastSeq);
    }
    outbox.emit(exited("two"));
    await empty();
    expect(cloud.taken.at(-1)).toEqual({ seq: lastSeq + 1, text: "two" });
  });

  it("wait for as long as the cloud is away", async () => {
    const attempts = vi.spyOn(CloudApi.prototype, "postEvents");
    onTestFinished(() => attempts.mockRestore());
    await cloud.close();
    outbox.start(0);
    for (let n = 0; n < 60; n += 1) outbox.emit(exited(n));
    await vi.waitFor(() => expect(attempts.mock.calls.length).toBeGreaterThan(3), 10_000);
    expect(outbox.pending).toBe(60);
    await cloud.listen();
    await empty();
    expect(cloud.texts).toEqual([...Array(60).keys()].map(String));
  });

  it("are kept while the host's key is refused", async () => {
    cloud.refuses = true;
    outbox.emit(exited("one"));
    outbox.start(0);
    await vi.waitFor(() => expect(cloud.unauthorized).toBeGreaterThan(1), 10_000);
    expect(outbox.pending).toBe(1);
    cloud.refuses = false;
    await empty();
    expect(cloud.texts).toEqual(["one"]);
  });

  it("E7: are not sent any more once another agent has taken the host over", async () => {
    const onSuperseded = vi.fn();
    await outbox.stop();
    open(20, onSuperseded);
    cloud.answers.push({ status: 409, body: { code: "superseded", detail: "another agent" } });
    outbox.emit(exited("one"));
    outbox.start(0);
    await vi.waitFor(() => expect(onSuperseded).toHaveBeenCalledOnce(), 10_000);
    await outbox.stop();
    expect([cloud.texts, outbox.pending]).toEqual([[], 1]);
  });

  it("arrive without the one that is unfit; a refusal by a proxy drops nothing", async () => {
    cloud.unfit = "poison";
    cloud.answers.push({ status: 400, body: { message: "no idea" } });
    for (const text of ["one", "two", "poison", "three"]) outbox.emit(exited(text));
    outbox.start(0);
    await empty();
    expect(cloud.texts).toEqual(["one", "two", "three"]);
    expect(cloud.taken.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    await restart();
    expect(outbox.pending).toBe(0);
  });

  it("are sent in batches that the control plane accepts", async () => {
    const big = "x".repeat(100_000);
    for (let n = 0; n < 6; n += 1) outbox.emit(exited(big));
    outbox.start(0);
    await empty();
    expect(Math.max(...cloud.batches)).toBe(2);
  });

  it("are sent again, after a pause, when an answer of 200 has accepted none", async () => {
    for (let n = 0; n < 3; n += 1) cloud.answers.push({ status: 200, body: { acceptedSeq: 0 } });
    outbox.emit(exited("one"));
    outbox.start(0);
    await empty();
    expect(cloud.texts).toEqual(["one"]);
  });
});

describe("progress", () => {
  it("is replaced by newer progress, and keeps its place after other events", async () => {
    for (let n = 1; n <= 5; n += 1) outbox.emit(progress(n));
    outbox.emit(exited("between"));
    outbox.emit(progress(6));
    expect(outbox.pending).toBe(2);
    outbox.start(0);
    await empty();
    expect(cloud.texts).toEqual(["between", "migration.progress6"]);
  });

  it("is dropped when the cloud has been away for long; nothing else is", () => {
    for (let n = 0; n < 10_000; n += 1) outbox.emit(exited(n));
    outbox.emit(progress(1));
    expect(outbox.pending).toBe(10_000);
    outbox.emit(exited("more"));
    expect(outbox.pending).toBe(10_001);
  });
});

describe("a store that cannot be written", () => {
  it("refuses answers to commands and keeps all other events in memory", async () => {
    outbox.start(0);
    await outbox.stop();
    open();
    await closeStore(outbox);
    expect(() => outbox.emit({ type: "command.completed", ...answer })).toThrow("open");
    outbox.emit(exited("one"));
    expect(outbox.pending).toBe(1);
  });

  const answer = { commandId: "a.b.1" as never, result: {} };

  /** `stop` closes it; the queue goes on. */
  const closeStore = (closing: Outbox) => closing.stop();
});
