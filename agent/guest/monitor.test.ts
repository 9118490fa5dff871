import { spawn } from "node:child_process";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FakeQmpServer } from "../../qmp/testing/fake-server.ts";
import { identify } from "../runtime/process.ts";
import { Monitor } from "./monitor.ts";

/** A process, a QMP server that stands for its monitor, and a session with it. */
async function start() {
  const commands = { "query-status": () => ({ running: true, status: "running" }) };
  const server = await FakeQmpServer.start({ commands });
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  const path = "path" in server.address ? server.address.path : "";
  const monitor = await Monitor.connect({ ...identify(child.pid), qmpPath: path });
  let ended = false;
  void monitor.ended.then(() => {
    ended = true;
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await monitor.close();
    await server.close();
  });
  return { server, child, monitor, hasEnded: () => ended };
}

const patient = { timeout: 10_000 };

describe("a monitor whose connection is cut", () => {
  it("is opened again while the process lives; subscriptions go on", async () => {
    const { server, monitor, hasEnded } = await start();
    let stops = 0;
    let returns = 0;
    const unsubscribe = monitor.on("STOP", () => {
      stops += 1;
    });
    monitor.onReconnect(() => {
      returns += 1;
    });
    for (let n = 1; n <= 2; n += 1) {
      server.cut();
      await expect(monitor.qmp.execute("query-status")).rejects.toThrow();
      await vi.waitFor(() => expect(returns).toBe(n), patient);
      expect(await monitor.qmp.execute("query-status")).toMatchObject({ running: true });
      await server.emit("STOP");
      await vi.waitFor(() => expect(stops).toBe(n), patient);
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

  it("notices the end of a process that it could not reach", async () => {
    const { server, child, monitor, hasEnded } = await start();
    await server.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(hasEnded()).toBe(false);
    child.kill("SIGKILL");
    await monitor.ended;
  });

  it("is not opened again after it was let go", async () => {
    const { server, monitor, hasEnded } = await start();
    server.cut();
    await monitor.close();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([server.isConnected, hasEnded()]).toEqual([false, false]);
    await expect(monitor.qmp.execute("query-status")).rejects.toThrow();
  });
});

it("a monitor that has never answered says so, and is opened when it does", async () => {
  const server = await FakeQmpServer.start({ greeting: null });
  const path = "path" in server.address ? server.address.path : "";
  const monitor = new Monitor({ ...identify(process.pid), qmpPath: path }, undefined);
  onTestFinished(async () => {
    await monitor.close();
    await server.close();
  });
  expect(() => monitor.qmp).toThrow("does not answer");
});
