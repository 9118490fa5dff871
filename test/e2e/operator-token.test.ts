import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Child } from "../../rig/child.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { waitUntil } from "../../rig/wait-until.ts";

const PATIENCE_MS = 60_000;
const MAIN = join(import.meta.dirname, "../../local/main.ts");
const TOKEN = /^Operator token: ([\w-]{43,})$/gm;

let folder: string;
let first: Child;
let second: Child;

/** Without a data folder: the key of a developer, for this start only. */
async function start(name: string): Promise<Child> {
  const child = new Child({
    name,
    args: [MAIN, "--port=0"],
    environment: {},
    logFile: logOf(name),
  });
  const isReady = () => {
    if (!child.isRunning) throw new Error(child.logTail());
    return child.logTail().includes("Press Ctrl-C") || undefined;
  };
  await waitUntil("the control plane", isReady, { timeoutMs: PATIENCE_MS });
  return child;
}

const logOf = (name: string) => join(folder, `${name}.log`);
const printed = (name: string) => readFileSync(logOf(name), "utf8");
const tokensOf = (name: string) => [...printed(name).matchAll(TOKEN)].map(([, token]) => token);

beforeAll(async () => {
  folder = ownedFolder("sy-token-");
  [first, second] = await Promise.all([start("first"), start("second")]);
}, PATIENCE_MS);
afterAll(async () => {
  await Promise.all([first?.stop(), second?.stop()]);
  removeFolder(folder);
});

describe("the operator token of a control plane without a data folder", () => {
  it("is made at each start, and printed once", async () => {
    const [token = "", ...others] = tokensOf("first");
    expect(others).toEqual([]);
    expect(printed("first").split(token)).toHaveLength(2);
    expect(tokensOf("second")).not.toContain(token);
  });

  it("is not printed again by a request that has it, or has another one", async () => {
    const [token = ""] = tokensOf("first");
    const [, url = ""] = /ready: (\S+)/.exec(printed("first")) ?? [];
    const ask = (bearer: string) =>
      fetch(`${url}/v1/hosts`, { headers: { authorization: `Bearer ${bearer}` } });
    expect((await ask(token)).status).toBe(200);
    expect((await ask(tokensOf("second")[0] ?? "")).status).toBe(401);
    expect(printed("first").split(token)).toHaveLength(2);
  });

  it("opens nothing but ports of loopback", () => {
    const addresses = listeningOf(first.pid ?? 0);
    expect(addresses.length).toBeGreaterThan(3);
    expect(new Set(addresses)).toEqual(new Set(["127.0.0.1"]));
  });
});

/** Addresses that a process listens on (proc(5), /proc/net/tcp: state 0A, addresses in hex). */
function listeningOf(pid: number): string[] {
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  return ["tcp", "tcp6"].flatMap((family) =>
    readFileSync(`/proc/${pid}/net/${family}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(
        ([, , , state, , , , , , inode]) => state === "0A" && open.includes(`socket:[${inode}]`),
      )
      .map(([, local = ""]) => addressOf(local.split(":")[0] ?? "")),
  );
}

/** Four bytes, the last one first. An address of IPv6 stays as it is. */
function addressOf(hex: string): string {
  if (hex.length !== 8) return hex;
  return (hex.match(/../g) ?? [])
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".");
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
