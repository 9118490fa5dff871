import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { QmpClient } from "./client.ts";
import { type ArgumentsOf, commands, type QmpCommandName } from "./commands.ts";
import { QmpCommandError, QmpDisconnectedError } from "./error.ts";
import { isQmpEvent, type QmpEvent } from "./events.ts";
import { findQemu, type RealQemu, type SpawnQemuOptions, spawnQemu } from "./testing/real-qemu.ts";

/** Only a failure takes this long: a busy machine is slow. */
const WAIT_MS = 15_000;

const running: RealQemu[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((qemu) => qemu.close()));
});

async function start(options: SpawnQemuOptions = {}): Promise<RealQemu> {
  const qemu = await spawnQemu({ ...options, args: options.args ?? ["-S"] });
  running.push(qemu);
  return qemu;
}

function startTarget(options: SpawnQemuOptions = {}): Promise<RealQemu> {
  return start({ args: ["-incoming", "defer"], ...options });
}

describe.skipIf(!findQemu())("with a real QEMU (skipped without qemu-system-x86_64)", () => {
  it("connects, knows the version, and has out-of-band execution", async () => {
    const { client, exited } = await start();
    expect(client).toMatchObject({ state: "running", oobEnabled: true });
    expect(await client.execute("query-version")).toEqual(client.version);
    await client.execute("quit");
    expect(await client.closed).toBeInstanceOf(QmpDisconnectedError);
    expect(await exited).toEqual({ code: 0, signal: null });
  });

  it("understands the answer to every query that needs no argument", async () => {
    const { client } = await start();
    const known = new Set((await client.execute("query-commands")).map(({ name }) => name));
    const queries = Object.keys(commands).filter(isPlainQuery);
    expect(queries.length).toBeGreaterThan(20);
    for (const name of queries.filter((query) => known.has(query))) {
      await expect(client.execute(name), name).resolves.toBeDefined();
    }
    const missing = Object.keys(commands).filter((name) => !known.has(name));
    expect(missing.filter((name) => !newerThan72.has(name))).toEqual([]);
  });

  it("understands objects, properties, CPU models and trace events", async () => {
    const { client } = await start();
    const type = await client.execute("qom-get", { path: "/machine", property: "type" });
    expect(type).toMatch(/-machine$/);
    const answers = await Promise.all([
      client.execute("qom-list", { path: "/machine" }),
      client.execute("qom-list-types", { implements: "vfio-pci" }),
      client.execute("device-list-properties", { typename: "vfio-pci" }),
      client.execute("trace-event-get-state", { name: "vfio_*" }),
    ]);
    for (const answer of answers) expect(answer.length).toBeGreaterThan(0);
    const model = { name: "qemu64" };
    const expanded = await client.execute("query-cpu-model-expansion", { type: "full", model });
    expect(expanded.model.props).toBeDefined();
  });

  it("sets and reads back capabilities and 64 bit parameters", async () => {
    const { client } = await start();
    const capabilities = [
      { capability: "events", state: true },
      { capability: "pause-before-switchover", state: true },
    ];
    await client.execute("migrate-set-capabilities", { capabilities });
    const read = await client.execute("query-migrate-capabilities");
    expect(read).toEqual(expect.arrayContaining(capabilities));
    const update = { "max-bandwidth": 2n ** 64n - 1n, "downtime-limit": 250 };
    await client.execute("migrate-set-parameters", update);
    expect(await client.execute("query-migrate-parameters")).toMatchObject(update);
  });

  it("holds and frees a block node with a dirty bitmap", async () => {
    const { client } = await start();
    const node = "hold";
    await client.execute("blockdev-add", { driver: "null-co", "node-name": node, size: 65_536 });
    await client.execute("block-dirty-bitmap-add", { node, name: "h", granularity: 65_536 });
    const [read] = await client.execute("query-named-block-nodes", { flat: true });
    expect(read).toMatchObject({ "node-name": node, "dirty-bitmaps": [{ name: "h" }] });
    await client.execute("block-dirty-bitmap-remove", { node, name: "h" });
    await client.execute("blockdev-del", { "node-name": node });
    expect(await client.execute("query-named-block-nodes")).toEqual([]);
  });

  it.each([
    ["not-a-command", {}, "CommandNotFound"],
    ["migrate-continue", { state: "pre-switchover" }, "GenericError"],
    ["device_del", { id: "nobody" }, "DeviceNotFound"],
    ["migrate-set-parameters", { "downtime-limit": 2_000_001 }, "GenericError"],
  ])("reports the error class of %s", async (command, args, errorClass) => {
    const { client } = await start();
    const error = await client.executeAny(command, args).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(QmpCommandError);
    expect(error).toMatchObject({ command, class: errorClass });
  });

  it("times out on a stopped process and works on when it continues", async () => {
    const qemu = await start();
    const { client } = qemu;
    qemu.kill("SIGSTOP");
    const calls = Array.from({ length: 12 }, () =>
      client.execute("query-status", {}, { timeoutMs: 100 }),
    );
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: "rejected", reason: { name: "QmpTimeoutError" } });
    }
    qemu.kill("SIGCONT");
    expect(await client.execute("query-status")).toMatchObject({ running: false });
    expect(client.counters).toMatchObject({ lateRepliesDropped: 7, timeouts: 12 });
  });

  it("settles what is pending when the process is killed", async () => {
    const qemu = await start();
    const { client } = qemu;
    qemu.kill("SIGSTOP");
    const call = expect(client.execute("query-status")).rejects.toMatchObject({
      name: "QmpDisconnectedError",
      sent: true,
    });
    qemu.kill("SIGKILL");
    await call;
    expect(await client.closed).toBeInstanceOf(QmpDisconnectedError);
    expect(await qemu.exited).toMatchObject({ signal: "SIGKILL" });
  });

  it("sees the events of a migration in order", async () => {
    const [source, target] = await Promise.all([start(), startTarget()]);
    const sourceLog = record(source.client);
    const targetLog = record(target.client);
    await source.client.execute("cont");
    await enable(source.client, ["events", "return-path"]);
    await enable(target.client, ["events"]);
    const completed = waitForStatus(source.client, "completed");
    await source.client.execute("migrate", { uri: uriOf(await listen(target.client)) });
    await completed;
    const device = source.client.version.qemu.major >= 10 ? ["device"] : [];
    expect(sourceLog).toEqual(["RESUME", "setup", "active", "STOP", ...device, "completed"]);
    await vi.waitFor(
      () => expect(targetLog).toEqual(["setup", "active", "RESUME", "completed"]),
      WAIT_MS,
    );
    expect(await target.client.execute("query-status")).toMatchObject({ running: true });
    const info = await source.client.execute("query-migrate");
    expect(info.status).toBe("completed");
    expect(info.downtime).toBeGreaterThanOrEqual(0);
    expect(info.ram?.total).toBeGreaterThan(32 * 1024 * 1024);
  });

  it("stops in pre-switchover and keeps a paused target paused", async () => {
    const [source, target] = await Promise.all([
      start(),
      startTarget({ args: ["-incoming", "defer", "-S"] }),
    ]);
    const sourceLog = record(source.client);
    const targetLog = record(target.client);
    await source.client.execute("cont");
    await enable(source.client, ["events", "return-path", "pause-before-switchover"]);
    await enable(target.client, ["events"]);
    const atGate = waitForStatus(source.client, "pre-switchover");
    await source.client.execute("migrate", { uri: uriOf(await listen(target.client)) });
    await atGate;
    const completed = waitForStatus(source.client, "completed");
    await source.client.execute("migrate-continue", { state: "pre-switchover" });
    await completed;
    expect(sourceLog).toEqual([
      "RESUME",
      "setup",
      "active",
      "STOP",
      "pre-switchover",
      "device",
      "completed",
    ]);
    await vi.waitFor(() => expect(targetLog).toEqual(["setup", "active", "completed"]), WAIT_MS);
    await target.client.execute("cont");
    await vi.waitFor(() => expect(targetLog.at(-1)).toBe("RESUME"), WAIT_MS);
  });

  it("stays responsive in the flood of passes while switchover is held", async (context) => {
    const [source, target] = await Promise.all([start(), startTarget()]);
    const { major, minor } = source.client.version.qemu;
    // Without a VFIO device only the legacy ACK (8.1 to 11.0) holds, when the target never sends it.
    if (major < 9 || major > 11 || (major === 11 && minor > 0)) context.skip();
    let deliveries = 0;
    source.client.on("MIGRATION_PASS", () => {
      deliveries += 1;
    });
    await source.client.execute("cont");
    await enable(source.client, ["events", "return-path", "switchover-ack"]);
    await source.client.execute("migrate", { uri: uriOf(await listen(target.client)) });
    await vi.waitFor(
      () => expect(source.client.counters.passEventsReceived).toBeGreaterThan(2_000),
      WAIT_MS,
    );
    expect(await source.client.execute("query-migrate")).toMatchObject({ status: "active" });
    const { passEventsReceived, passEventsCoalesced } = source.client.counters;
    expect(passEventsReceived - passEventsCoalesced - deliveries).toBeLessThanOrEqual(1);
    expect(deliveries).toBeLessThan(passEventsReceived / 10);
    const ended = source.client.waitFor(
      (event) => isQmpEvent(event, "MIGRATION") && /^(cancelled|failed)$/.test(event.data.status),
      { timeoutMs: 20_000 },
    );
    await source.client.execute("migrate_cancel");
    await ended;
    expect(await source.client.execute("query-status")).toMatchObject({ running: true });
  });

  it("frees a hung target by an out-of-band yank", async (context) => {
    const { client, pid } = await startTarget();
    if (client.version.qemu.major < 10) context.skip(); // Verified from 10.0 on.
    await enable(client, ["events", "multifd"]);
    const port = await listen(client, { "exit-on-error": false });
    const silent = await hangMainLoop(pid, port);
    try {
      await expect(client.execute("query-status", {}, { timeoutMs: 200 })).rejects.toMatchObject({
        name: "QmpTimeoutError",
        sent: true,
      });
      await client.execute("yank", { instances: [{ type: "migration" }] });
      expect(await client.execute("query-status")).toMatchObject({ status: "inmigrate" });
    } finally {
      silent.destroy();
    }
  });
});

/**
 * With multifd a target reads the first four bytes of each new channel in its main loop, and waits
 * for them without a limit (QEMU migration/channel.c, migration_channel_read_peek). So a connection
 * that sends nothing hangs the main loop as soon as the target has accepted it.
 */
async function hangMainLoop(pid: number, port: number): Promise<Socket> {
  const before = countSockets(pid);
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  await vi.waitFor(() => expect(countSockets(pid)).toBeGreaterThan(before), WAIT_MS);
  return socket;
}

/** Sockets that a process has open (proc_pid_fd(5)). */
function countSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith("socket:");
    } catch {
      return false; // Closed since it was listed.
    }
  }).length;
}

// The rest of the table exists since 7.2 or longer.
const newerThan72 = new Set(["query-vcpu-dirty-limit", "set-vcpu-dirty-limit"]);

type PlainQuery = {
  [Name in QmpCommandName]: Readonly<Record<string, never>> extends ArgumentsOf<Name>
    ? Name
    : never;
}[QmpCommandName];

function isPlainQuery(name: string): name is PlainQuery {
  return name.startsWith("query-") && name !== "query-cpu-model-expansion";
}

/** Statuses and run state changes, in order. */
function record(client: QmpClient): string[] {
  const log: string[] = [];
  client.on("*", (event: QmpEvent) => {
    if (isQmpEvent(event, "MIGRATION")) log.push(event.data.status);
    if (event.name === "STOP" || event.name === "RESUME") log.push(event.name);
  });
  return log;
}

async function enable(client: QmpClient, names: readonly string[]): Promise<void> {
  const capabilities = names.map((capability) => ({ capability, state: true }));
  await client.execute("migrate-set-capabilities", { capabilities });
}

async function listen(
  target: QmpClient,
  options: { readonly "exit-on-error"?: boolean } = {},
): Promise<number> {
  await target.execute("migrate-incoming", { uri: "tcp:127.0.0.1:0", ...options });
  const info = await target.execute("query-migrate");
  return Number(info["socket-address"]?.[0]?.port);
}

function uriOf(port: number): string {
  return `tcp:127.0.0.1:${port}`;
}

function waitForStatus(client: QmpClient, status: string): Promise<QmpEvent> {
  return client.waitFor((event) => isQmpEvent(event, "MIGRATION") && event.data.status === status, {
    timeoutMs: 20_000,
  });
}
