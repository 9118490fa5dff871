import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const binary = fileURLToPath(new URL("./bin/qemu-system-model", import.meta.url));
const patience = { timeout: 20_000, interval: 20 };

type Running = {
  readonly child: ChildProcess;
  readonly messages: Array<Record<string, unknown>>;
  readonly lines: string[];
  execute(command: string, given?: object): Promise<unknown>;
};

let directory = "";
const children: ChildProcess[] = [];
const sockets: Socket[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "model-"));
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

async function run(name: string, words: readonly string[], knobs: object = {}): Promise<Running> {
  const path = join(directory, `${name}.qmp`);
  const child = spawn(
    binary,
    ["-nodefaults", "-display", "none", "-qmp", `unix:${path},server=on,wait=off`, ...words],
    { env: { ...process.env, QEMU_MODEL: JSON.stringify(knobs) }, stdio: "ignore" },
  );
  children.push(child);
  const socket = await vi.waitFor(() => dial(path), patience);
  sockets.push(socket);
  const messages: Running["messages"] = [];
  const lines: string[] = [];
  createInterface({ input: socket }).on("line", (line) => {
    lines.push(line);
    messages.push(JSON.parse(line));
  });
  let nextId = 1;
  const execute: Running["execute"] = async (command, given = {}) => {
    const id = nextId++;
    socket.write(JSON.stringify({ execute: command, arguments: given, id }));
    const answer = await vi.waitFor(() => {
      const found = messages.find((message) => message.id === id);
      if (!found) throw new Error(`No answer to ${command}`);
      return found;
    }, patience);
    if ("error" in answer) throw new Error((answer.error as { desc: string }).desc);
    return answer.return;
  };
  await execute("qmp_capabilities");
  return { child, messages, lines, execute };
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    socket.once("error", reject);
  });
}

async function turnOn(process: Running, names: readonly string[]): Promise<void> {
  const capabilities = names.map((capability) => ({ capability, state: true }));
  await process.execute("migrate-set-capabilities", { capabilities });
}

describe("qemu-system-model", () => {
  it("says its version like QEMU", () => {
    const text = execFileSync(binary, ["-version"], { encoding: "utf8" });
    expect(text).toMatch(/^QEMU emulator version 10\.0\.2 \(/);
  });

  it.each([
    [["-foo"], "qemu-system-x86_64: -foo: invalid option"],
    [["-machine", "foo"], 'unsupported machine type: "foo"'],
    [["-m"], "-m: requires an argument"],
    [["-incoming", "foo:1"], "unknown migration protocol: foo:1"],
  ])("refuses %j with code 1", (words, text) => {
    const attempt = (): string => execFileSync(binary, words, { encoding: "utf8", stdio: "pipe" });
    expect(attempt).toThrow(text);
  });

  it("migrates to another process over TCP, and the guest counts on", async () => {
    const serial = (name: string): string[] => ["-serial", `file:${join(directory, name)}`];
    const source = await run("source", serial("source.ser"));
    const target = await run("target", ["-incoming", "defer", "-S", ...serial("target.ser")]);
    const capabilities = ["events", "return-path", "switchover-ack", "multifd"];
    await turnOn(source, capabilities);
    await turnOn(target, capabilities);
    await target.execute("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
    const info = (await target.execute("query-migrate")) as {
      "socket-address": [{ port: string }];
    };
    const numbers = (name: string): number[] =>
      [...readFileSync(join(directory, name), "utf8").matchAll(/^counter=(\d+) errors=0\r$/gm)].map(
        (match) => Number(match[1]),
      );
    await vi.waitFor(() => expect(numbers("source.ser").length).toBeGreaterThan(3), patience);
    await source.execute("migrate", { uri: `tcp:127.0.0.1:${info["socket-address"][0].port}` });
    await vi.waitFor(async () => {
      expect(await source.execute("query-migrate")).toMatchObject({ status: "completed" });
    }, patience);
    expect(await target.execute("query-status")).toMatchObject({ status: "paused" });
    await target.execute("cont");
    await vi.waitFor(() => expect(numbers("target.ser").length).toBeGreaterThan(3), patience);
    const last = numbers("source.ser").at(-1) ?? 0;
    expect(numbers("target.ser")[0]).toBe(last + 1);
  });

  it("keeps big numbers whole", async () => {
    const { execute, lines } = await run("one", []);
    await execute("migrate-set-parameters", { "max-bandwidth": -1 });
    await execute("query-migrate-parameters");
    expect(lines.at(-1)).toContain('"max-bandwidth": 18446744073709551615');
  });

  it("ends with code 0 on quit and on SIGTERM, and says why", async () => {
    for (const how of ["quit", "SIGTERM"]) {
      const { child, execute, messages } = await run(how, []);
      if (how === "quit") await execute("quit");
      else child.kill("SIGTERM");
      await vi.waitFor(() => expect(child.exitCode).toBe(0), patience);
      const shutdown = messages.find(({ event }) => event === "SHUTDOWN");
      expect(shutdown?.data).toEqual({
        guest: false,
        reason: how === "quit" ? "host-qmp-quit" : "host-signal",
      });
    }
  });

  it("takes faults while it runs", async () => {
    const control = join(directory, "control");
    const { child } = await run("one", [], { control });
    const socket = await vi.waitFor(() => dial(control), patience);
    sockets.push(socket);
    socket.write('{"kind":"exit","code":3}\n');
    await vi.waitFor(() => expect(child.exitCode).toBe(3), patience);
  });
});
