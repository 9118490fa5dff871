import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { makeCertificates } from "../../rig/certificates.ts";
import { Child } from "../../rig/child.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { Network } from "../network/namespaces.ts";

/** Runs the commands of docs/operate/several-hosts.md on three machines: a network namespace each. */
const ROOT = join(import.meta.dirname, "../..");
const page = readFileSync(join(ROOT, "docs/operate/several-hosts.md"), "utf8");
const MIB = 2 ** 20;
const PATIENCE_MS = 120_000;
/** The control plane's address, and the hosts' on the same network. */
const PLANE = "10.77.0.1";
const onLan: Readonly<Record<string, string>> = {
  "host-a": "10.77.0.201",
  "host-b": "10.77.0.202",
};

const qemu = findQemu();
const network = qemu === undefined ? undefined : findNetwork();
const why = network === undefined ? " (skipped: no QEMU, or no network namespaces here)" : "";

function findNetwork(): Network | undefined {
  try {
    return Network.create(["host-a", "host-b"]);
  } catch {
    return undefined;
  }
}

/** Blocks of the page in one language, in order, without their indentation. */
function blocks(language: string): string[] {
  const found = page.matchAll(new RegExp(`^( *)\`\`\`${language}\n([\\s\\S]*?)^ *\`\`\``, "gm"));
  return [...found].map(([, indent = "", text = ""]) =>
    text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
}

describe.skipIf(network === undefined)(`one control plane, two hosts${why}`, () => {
  const [
    makeCertificate = "",
    startService = "",
    addHost = "",
    move = "",
    backUp = "",
    restore = "",
    transfer = "",
  ] = blocks("sh");
  const [agentJson = ""] = blocks("json");
  let root: string;
  let plane: Child | undefined;
  const agents: Child[] = [];

  beforeAll(() => {
    root = ownedFolder();
    for (const name of ["etc", "lib", "backups", "host-a", "host-b", "units"])
      mkdirSync(join(root, name));
    for (const [host, address] of Object.entries(onLan)) {
      const { namespace } = hostNet(host);
      execFileSync("ip", ["-n", namespace, "addr", "add", `${address}/24`, "dev", "br0"]);
    }
  }, PATIENCE_MS);
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    await plane?.stop();
    removeFolder(root);
    network?.remove();
  }, PATIENCE_MS);

  function hostNet(host: string) {
    const net = network?.hosts[host];
    if (net === undefined) throw new Error(`There is no host ${host}`);
    return net;
  }

  /** The page's text for this machine: other folders, and an address in place of the name. */
  function here(text: string, folder = "etc"): string {
    return text
      .replaceAll("DNS:cp.example.net", `IP:${PLANE}`)
      .replaceAll("cp.example.net", PLANE)
      .replaceAll("/etc/systemd/system", join(root, "units"))
      .replaceAll("/etc/switchyard", join(root, folder))
      .replaceAll("/var/lib/switchyard", join(root, "lib"))
      .replaceAll("/var/lib/sy", join(root, folder))
      .replaceAll("/var/backups", join(root, "backups"))
      .replaceAll("/opt/switchyard", ROOT);
  }

  const exports = addHost
    .split("\n")
    .filter((line) => line.startsWith("export"))
    .join("\n");

  async function shell(text: string): Promise<string> {
    const script = here(`cd /etc/switchyard; ${exports}\n${text}`);
    const words = [...Network.inside(network?.lan ?? ""), "sh", "-euc", script];
    const [command = "", ...args] = words;
    const env = { ...process.env, PATH: `${ROOT}/node_modules/.bin:${process.env.PATH}` };
    const { stdout, stderr } = await promisify(execFile)(command, args, { env, timeout: 90_000 });
    return stdout + stderr;
  }

  /** Line by line, with systemd's part done here. */
  async function run(text: string): Promise<void> {
    let folder = "";
    for (const line of text.replaceAll("\\\n", " ").split("\n")) {
      if (line.startsWith("systemctl stop")) await plane?.stop(30_000);
      else if (line.startsWith("cd ")) folder = line;
      else if (line.startsWith("systemctl")) await start();
      else await shell(`${folder}\n${line}`);
    }
  }

  /** What systemd starts. */
  async function start(): Promise<void> {
    const unit = readFileSync(join(root, "units/switchyard.service"), "utf8");
    const [, command = ""] = /^ExecStart=(.*)$/m.exec(unit.replaceAll("\\\n", " ")) ?? [];
    const settings = readFileSync(join(root, "etc/control-plane.env"), "utf8").trim().split("\n");
    const values: Record<string, string | undefined> = {
      ...Object.fromEntries(settings.map((line) => line.split("="))),
      STATE_DIRECTORY: join(root, "lib"),
      CREDENTIALS_DIRECTORY: join(root, "etc"),
    };
    const [, script = "", ...args] = command
      .replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? "")
      .split(/ +/);
    const logFile = join(root, "plane.log");
    writeFileSync(logFile, "");
    plane = new Child({
      name: "control plane",
      args: [join(ROOT, script), ...args],
      environment: {},
      wrapper: Network.inside(network?.lan ?? ""),
      logFile,
    });
    const started = plane;
    await waitUntil(
      "the control plane",
      () => {
        if (!started.isRunning) throw new Error(started.logTail());
        return started.logTail().includes(`For other machines: https://${PLANE}:8443`) || undefined;
      },
      { timeoutMs: PATIENCE_MS },
    );
  }

  it(
    "starts with its own authority's certificate, and other machines reach one port",
    async () => {
      await shell(makeCertificate);
      await run(startService);
      const [command = "", ...inside] = Network.inside(network?.lan ?? "");
      const args = [...inside, "ss", "-ltnH"];
      const listening = execFileSync(command, args, { encoding: "utf8" }).trim().split("\n");
      const addresses = listening.map((line) => line.split(/ +/)[3] ?? "");
      expect(addresses.filter((address) => !address.startsWith("127."))).toEqual(["0.0.0.0:8443"]);
    },
    PATIENCE_MS,
  );

  it(
    "takes two hosts, whose agents trust that authority only",
    async () => {
      for (const host of Object.keys(onLan)) {
        await shell(addHost.replaceAll("host-a", host));
        const to = join(root, host);
        for (const file of ["etc/ca.pem", `etc/${host}.token`, "lib/agent.env"]) {
          copyFileSync(join(root, file), join(to, file.split("/")[1] ?? ""));
        }
        const { namespace, address } = hostNet(host);
        const text = here(agentJson, host).replaceAll("host-a", host).replace("10.78.0.1", address);
        const config = { ...JSON.parse(text), qemu, memoryBytes: 1024 * MIB };
        writeFileSync(join(to, "agent.json"), JSON.stringify(config), { mode: 0o600 });
        const source = `set -a; . ${to}/agent.env; set +a; exec "$@"`;
        const agent = new Child({
          name: host,
          args: [join(ROOT, "agent/main.ts"), "--config", join(to, "agent.json")],
          environment: {},
          wrapper: [...Network.inside(namespace), "sh", "-euc", source, "sh"],
          logFile: join(root, `${host}.log`),
        });
        agents.push(agent);
      }
      await bothActive();
    },
    PATIENCE_MS,
  );

  async function bothActive(): Promise<void> {
    await waitUntil(
      "two active hosts",
      async () => {
        const failed = agents.find((agent) => !agent.isRunning);
        if (failed !== undefined) throw new Error(failed.logTail());
        const hosts = await shell("cd /opt/switchyard; npx switchyard host list -o json");
        return hosts.split('"active"').length === 3 || undefined;
      },
      { timeoutMs: PATIENCE_MS, everyMs: 500 },
    );
  }

  const log = (host: string) => join(root, host, "run/demo/serial.log");

  it(
    "moves a guest, which runs on",
    async () => {
      const disk = join(root, "boot.img");
      await writeBootDisk(disk, { dirtyBytesPerSecond: MIB, workingSetBytes: 4 * MIB });
      const definition = VmDefinition.parse({ memoryBytes: 64 * MIB, ...bootDiskDefinition(disk) });
      const [define = "", migrate = ""] = move.trim().split("\n");
      const file = join(root, "demo.json");
      writeFileSync(file, JSON.stringify(definition));
      await shell(`cd /opt/switchyard; ${define.replace("demo.json", file)}`);
      const counts = { timeoutMs: PATIENCE_MS };
      const before = await waitForCounter(log("host-a"), ({ counter }) => counter > 10, counts);
      expect(await shell(`cd /opt/switchyard; ${migrate}`)).toContain("demo runs on host-b");
      await waitForCounter(log("host-b"), ({ counter }) => counter > before.counter + 50, counts);
    },
    PATIENCE_MS,
  );

  it(
    "is backed up and restored, and the guest moves back",
    async () => {
      await run(backUp);
      await run(restore);
      await bothActive();
      const back = "cd /opt/switchyard; npx switchyard migrate demo --to host-a --wait";
      expect(await shell(back)).toContain("demo runs on host-a");
    },
    PATIENCE_MS,
  );

  it(
    "is exported and imported, and goes on with another data folder",
    async () => {
      await run(transfer);
      renameSync(join(root, "lib"), join(root, "lib-old"));
      renameSync(join(root, "lib-new"), join(root, "lib"));
      copyFileSync(join(root, "lib-old/operator-token"), join(root, "lib/operator-token"));
      await start();
      await bothActive();
      const onward = "cd /opt/switchyard; npx switchyard migrate demo --to host-b --wait";
      expect(await shell(onward)).toContain("demo runs on host-b");
    },
    PATIENCE_MS,
  );

  it(
    "takes no control plane of another authority",
    async () => {
      const to = join(root, "stranger");
      mkdirSync(to);
      const { ca } = makeCertificates(to, "IP:127.0.0.1");
      const config = JSON.parse(readFileSync(join(root, "host-a/agent.json"), "utf8"));
      const own = { caFile: ca, runDir: join(to, "run"), stateDir: join(to, "state") };
      writeFileSync(join(to, "token"), `syj_${"x".repeat(43)}`, { mode: 0o600 });
      const stranger = { ...config, ...own, host: "host-c", joinTokenFile: join(to, "token") };
      writeFileSync(join(to, "agent.json"), JSON.stringify(stranger));
      const agent = new Child({
        name: "stranger",
        args: [join(ROOT, "agent/main.ts"), "--config", join(to, "agent.json")],
        environment: {},
        wrapper: Network.inside(hostNet("host-a").namespace),
        logFile: join(root, "stranger.log"),
      });
      agents.push(agent);
      const refused = /UNABLE_TO_VERIFY_LEAF_SIGNATURE|unable to verify the first certificate/;
      await waitUntil("a refusal", () => refused.test(agent.logTail()) || undefined, {
        timeoutMs: PATIENCE_MS,
      });
    },
    PATIENCE_MS,
  );
});
