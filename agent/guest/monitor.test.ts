import { spawn } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { QmpClient } from "../../qmp/client.ts";
import { FakeQmpServer } from "../../qmp/testing/fake-server.ts";
import { identify } from "../runtime/process.ts";
import { testFolder } from "../testing/folder.ts";
import { Monitor } from "./monitor.ts";

async function startServer() {
  const commands = { "query-status": () => ({ running: true, status: "running" }) };
  const server = await FakeQmpServer.start({ commands });
  onTestFinished(() => server.close());
  return { server, path: "path" in server.address ? server.address.path : "" };
}

function startProcess() {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** A process, a QMP server in place of its monitor, and a session with it. */
async function start() {
  const { server, path } = await startServer();
  const child = startProcess();
  const monitor = await Monitor.connect({ ...identify(child.pid), qmpPath: path });
  let ended = false;
  let reconnects = 0;
  void monitor.ended.then(() => {
    ended = true;
  });
  monitor.onReconnect(() => {
    reconnects += 1;
  });
  onTestFinished(() => monitor.close());
  return { server, path, child, monitor, hasEnded: () => ended, reconnects: () => reconnects };
}

/** Attempts to open a session at a path, from now on; with their outcome. */
function watchConnects(path: string) {
  const spy = vi.spyOn(QmpClient, "connect");
  onTestFinished(() => spy.mockRestore());
  const ofPath = <T>(list: T[]) =>
    list.filter((_, index) => JSON.stringify(spy.mock.calls[index]?.[0]) === `{"path":"${path}"}`);
  return {
    count: () => ofPath(spy.mock.calls).length,
    failed: () => ofPath(spy.mock.settledResults).filter(({ type }) => type === "rejected").length,
  };
}

const WAIT_MS = 10_000;

describe("a monitor whose connection breaks", () => {
  it("is opened again while the process lives; subscriptions go on", async () => {
    const { server, monitor, hasEnded, reconnects } = await start();
    let stops = 0;
    const unsubscribe = monitor.on("STOP", () => {
      stops += 1;
    });
    for (let n = 1; n <= 2; n += 1) {
      server.cut();
      await expect(monitor.qmp.execute("query-status")).rejects.toThrow();
      await vi.waitFor(() => expect(reconnects()).toBe(n), WAIT_MS);
      expect(await monitor.qmp.execute("query-status")).toMatchObject({ running: true });
      await server.emit("STOP");
      await vi.waitFor(() => expect(stops).toBe(n), WAIT_MS);
    }
    unsubscribe();
    await server.emit("STOP");
    await monitor.qmp.execute("query-status");
    expect([stops, hasEnded()]).toEqual([2, false]);
  });

  it("has ended when the process has", async () => {
    const { server, child, monitor } = await start();
    child.kill("SIGKILL");
    server.cut();
    await monitor.ended;
  });

  it("has ended when the process ends after failed attempts to connect", async () => {
    const { server, path, child, monitor, hasEnded } = await start();
    const connects = watchConnects(path);
    await server.close();
    await vi.waitFor(() => expect(connects.failed()).toBeGreaterThan(1), WAIT_MS);
    expect(hasEnded()).toBe(false);
    child.kill("SIGKILL");
    await monitor.ended;
  });

  it("is not opened again once it was closed", async () => {
    const closed = await start();
    const open = await start();
    const connects = watchConnects(closed.path);
    closed.server.cut();
    await closed.monitor.close();
    // In the time in which another monitor is opened twice, this one had its chance.
    for (let n = 1; n <= 2; n += 1) {
      open.server.cut();
      await vi.waitFor(() => expect(open.reconnects()).toBe(n), WAIT_MS);
    }
    expect([connects.count(), closed.server.isConnected]).toEqual([0, false]);
    expect([closed.hasEnded(), closed.reconnects()]).toEqual([false, 0]);
    await expect(closed.monitor.qmp.execute("query-status")).rejects.toThrow();
  });
});

it("a monitor that has never answered reports that, and is opened when it does", async () => {
  const path = join(testFolder(), "qmp.sock");
  const connects = watchConnects(path);
  const monitor = new Monitor({ ...identify(process.pid), qmpPath: path }, undefined);
  onTestFinished(() => monitor.close());
  let stops = 0;
  monitor.on("STOP", () => {
    stops += 1;
  });
  await vi.waitFor(() => expect(connects.failed()).toBeGreaterThan(0), WAIT_MS);
  expect(() => monitor.qmp).toThrow("does not answer");
  const { server, path: opened } = await startServer();
  symlinkSync(opened, path);
  await new Promise<void>((resolve) => void monitor.onReconnect(resolve));
  expect(await monitor.qmp.execute("query-status")).toMatchObject({ running: true });
  await server.emit("STOP");
  await vi.waitFor(() => expect(stops).toBe(1), WAIT_MS);
});

describe("a session that is waited for", () => {
  it("is the open one", async () => {
    const { monitor } = await start();
    expect(await monitor.session(0)).toBe(monitor.qmp);
  });

  it("comes when the monitor answers again", async () => {
    const { server, monitor } = await start();
    const first = monitor.qmp;
    server.cut();
    await first.closed;
    const session = await monitor.session(WAIT_MS);
    expect(session).not.toBe(first);
    expect(await session.execute("query-status")).toMatchObject({ running: true });
  });

  it("has a deadline", async () => {
    const monitor = new Monitor(
      { ...identify(process.pid), qmpPath: join(testFolder(), "qmp.sock") },
      undefined,
    );
    onTestFinished(() => monitor.close());
    await expect(monitor.session(20)).rejects.toThrow("has not answered within 20 ms");
  });

  it("is not waited for once the monitor is closed", async () => {
    const { monitor } = await start();
    await monitor.close();
    await expect(monitor.session(600_000)).rejects.toThrow("has not answered");
  });

  it("is not waited for once the process has ended", async () => {
    const { server, child, monitor } = await start();
    const first = monitor.qmp;
    child.kill("SIGKILL");
    await server.close();
    await first.closed;
    await expect(monitor.session(600_000)).rejects.toThrow("or QEMU has ended");
  });
});
