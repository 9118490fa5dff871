import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Child } from "../../rig/child.ts";
import { Fleet } from "../../rig/fleet.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { MODEL_QEMU } from "../../rig/qemu.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { PATIENCE_MS, Stage } from "../e2e/testing/stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** More than one argument of a command may have on Linux (MAX_ARG_STRLEN: 128 KiB). */
const LONG = 140_000;

/** On the model: these cases concern no QEMU. */
describe("an agent on its host", () => {
  let stage: Stage;

  beforeAll(async () => {
    const path = MODEL_QEMU;
    stage = await Stage.start({ hosts: { "host-a": path, "host-b": path } });
  });
  afterAll(() => stage?.close());

  it("E6: a guest that cannot be started leaves no file and no descriptor", async () => {
    const definition = await stage.definition();
    const [device, ...devices] = definition.devices;
    const long = { ...definition, devices: [{ ...device, serial: "x".repeat(LONG) }, ...devices] };
    const before = leftovers();
    for (const vm of ["long-1", "long-2", "long-3"]) {
      const answer = await post({ id: vm, host: "host-a", definition: long });
      expect([202, 413, 422]).toContain(answer.status);
      if (answer.status !== 202) {
        expect(await answer.text()).toMatch(/definition|body/);
        continue;
      }
      await waitUntil(
        `the end of ${vm}`,
        async () => ((await stage.api.getVm(vm)).state === "failed" ? true : undefined),
        { timeoutMs: 20_000 },
      );
      await stage.api.deleteVm(vm);
    }
    await vi.waitFor(() => expect(leftovers()).toEqual(before), 20_000);
  });

  it.each([
    ["a definition of 450 KB", 422, () => ({ serial: "x".repeat(450_000) })],
    ["JSON that is 5,000 levels deep", 422, () => ({ deep: "DEEP" })],
    ["a number that the table cannot hold", 422, () => ({ "physical-block-size": 1e-320 })],
  ])("E6: %s is refused, not answered with 500", async (_, status, property) => {
    const definition = await stage.definition();
    const [device] = definition.devices;
    const changed = { ...definition, devices: [{ ...device, ...property() }] };
    const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;
    const text = JSON.stringify({ id: "odd", host: "host-a", definition: changed });
    const answer = await post(text.replace('"DEEP"', deep));
    expect([status, 413]).toContain(answer.status);
    expect(await answer.text()).toMatch(/definition|body/);
  });

  it("E6: a body of another type is refused with 415", async () => {
    const answer = await fetch(`${stage.api.url}/v1/migrations/mig_01ARZ3NDEKTSV4RRFFQ69G5FAV`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${token()}`, "content-type": "text/plain" },
      body: "faster",
    });
    expect(answer.status).toBe(415);
  });

  it("E7: of two agents with one key the older is refused, and the newer does the work", async () => {
    const clone = startClone("host-b");
    try {
      await waitUntil(
        "the newer agent to register",
        () => (/agent ready/.test(clone.logTail()) ? true : undefined),
        { timeoutMs: 20_000 },
      );
      // The older one is the first to receive a command: it has waited longer.
      await stage.fleet.startVm("cloned", "host-b", await stage.definition());
      expect(readdirSync(join(stage.fleet.folder, "clone/run"))).toContain("cloned");
      expect(foldersIn(join(stage.fleet.folder, "host-b/run"))).not.toContain("cloned");
      await stage.fleet.agent("host-b").exited;
      expect(stage.fleet.agent("host-b").logTail()).toMatch(/another agent has registered/);
    } finally {
      await stage.api.deleteVm("cloned", { mode: "quit" }).catch(() => undefined);
      await clone.stop();
    }
  });

  /** Descriptors and folders that the agent of host-a holds for guests. */
  function leftovers(): string[] {
    const run = join(stage.fleet.folder, "host-a/run");
    return [...openOf(stage.fleet.agent("host-a").pid), ...foldersIn(run)].sort();
  }

  function foldersIn(path: string): string[] {
    return existsSync(path) ? readdirSync(path) : [];
  }

  function token(): string {
    const ready = readFileSync(join(stage.fleet.folder, "ready.json"), "utf8");
    return (JSON.parse(ready) as { operatorToken: string }).operatorToken;
  }

  function post(body: string | object): Promise<Response> {
    return fetch(`${stage.api.url}/v1/vms`, {
      method: "POST",
      headers: { authorization: `Bearer ${token()}`, "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  /** A second agent with the key and the name of this host, in folders of its own. */
  function startClone(host: string): Child {
    const folder = join(stage.fleet.folder, "clone");
    stage.fleet.copyIdentity(host, folder);
    return stage.fleet.spawnAgent(folder);
  }
});

/**
 * What a process has open, without network sockets: connections to the cloud are kept for a while, and
 * their number changes by itself.
 */
function openOf(pid = Number.NaN): string[] {
  const local = unixSockets(pid);
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return target.startsWith("socket:") && !local.has(target) ? [] : [kindOf(target)];
    } catch {
      // Closed since it was listed.
      return [];
    }
  });
}

/** `socket:[inode]` of the process's UNIX sockets (proc(5), /proc/net/unix: seventh field). */
function unixSockets(pid: number): Set<string> {
  const [, ...lines] = readFileSync(`/proc/${pid}/net/unix`, "utf8").trim().split("\n");
  return new Set(lines.map((line) => `socket:[${line.trim().split(/\s+/)[6]}]`));
}

/** A file's path, or `pipe`, `socket`, `anon_inode`. */
function kindOf(target: string): string {
  return target.startsWith("/") ? target : target.replace(/:.*/, "");
}

describe("E9: the sandbox of guests", () => {
  let fleet: Fleet | undefined;
  let folder = "";
  const folders: string[] = [];

  afterAll(async () => {
    await fleet?.stop();
    for (const each of folders) removeFolder(each);
  });

  it("is not given up for a reason that is none of it", async () => {
    // Fails once, as for want of memory; then it is as it should be.
    const refusal = `case "$*" in *"-sandbox"*) [ -e "$0.once" ] || { : > "$0.once"; echo "qemu: cannot allocate memory" >&2; exit 1; } ;; esac`;
    fleet = await start(refusal, {}).catch((error: unknown) => {
      // Refusing to start is as good: nothing runs without the sandbox then.
      expect(String(error)).toMatch(/cannot allocate memory/);
      return undefined;
    });
    if (fleet) expect(await sandboxOf(fleet)).toContain("-sandbox");
  });

  it("that QEMU refuses, and the host requires, keeps the agent from starting guests", async () => {
    const refusal = `case "$*" in *"-sandbox"*) echo "qemu: -sandbox on: There is no option group 'sandbox'" >&2; exit 1 ;; esac`;
    const outcome = await start(refusal, { requireSandbox: true }).then(
      async (started) => {
        fleet = started;
        return started.agent("host-a").logTail();
      },
      (error: unknown) => String(error),
    );
    expect(outcome).not.toMatch(/agent ready/);
    expect(outcome).toMatch(/requireSandbox/);
    expect(outcome).toMatch(/no option group 'sandbox'|seccomp/);
  });

  /** A host whose QEMU runs these lines of a shell first. */
  async function start(lines: string, agent: object): Promise<Fleet> {
    await fleet?.stop();
    folder = ownedFolder();
    folders.push(folder);
    const path = join(folder, "qemu");
    writeFileSync(path, `#!/bin/sh\n${lines}\nexec '${MODEL_QEMU}' "$@"\n`);
    chmodSync(path, 0o755);
    return Fleet.start({ hosts: { "host-a": path }, folder: join(folder, "f"), agent });
  }

  /** The command line of a guest. */
  async function sandboxOf(started: Fleet): Promise<string> {
    const definition = { machine: "pc", memoryBytes: 32 * 2 ** 20 };
    await started.startVm("vm", "host-a", definition as never);
    const pid = started.guestPid("host-a", "vm");
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  }
});
