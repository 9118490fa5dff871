import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { applySettings, readParameters } from "../../agent/migrate/settings.ts";
import { describeBinary } from "../../agent/probe/binary.ts";
import { testFolder } from "../../agent/testing/folder.ts";
import { QemuProbe } from "../../core/protocol/probe.ts";
import { VmDefinition } from "../../core/vm.ts";
import { type RealQemu, spawnQemu } from "../../qmp/testing/real-qemu.ts";
import { TestHost } from "./testing/host.ts";
import { handoverKey, migrationId, VM } from "./testing/pair.ts";
import { describeOnQemu, subject } from "./testing/subjects.ts";

const definition = VmDefinition.parse({ memoryBytes: 32 << 20, machine: "pc" });

describeOnQemu("guests of a host", () => {
  let host: TestHost;
  beforeEach(() => {
    host = new TestHost("host", subject);
  });
  afterEach(() => host.close());
  const folder = () => join(host.config.runDir, VM);

  it("a guest's real machine type is reported, and it is present once only", async () => {
    const started = await host.run("guest.start", VM, { definition });
    expect(started.definition.machine).toMatch(/^pc-i440fx-/);
    await expect(host.run("guest.start", VM, { definition })).rejects.toThrow("refused");
    const probe = await host.run("target.probe", VM, { definition });
    expect(probe).toMatchObject({ vmPresent: true, memoryFreeBytes: 2 ** 30 - (32 << 20) });
    await host.run("guest.stop", VM, { mode: "quit" });
    expect(readdirSync(host.config.runDir)).toEqual([]);
  });

  it("QEMU does not get to know the agent's credentials", async () => {
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "do-not-tell");
    const { pid } = await host.run("guest.start", VM, { definition });
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("do-not-tell");
    vi.unstubAllEnvs();
  });

  // The model takes the option and is not confined.
  it.skipIf(subject.isModel)("QEMU runs in its sandbox where it can", async () => {
    const { sandbox } = await describeBinary(host.config.qemu, host.config.stateDir);
    const { pid } = await host.run("guest.start", VM, { definition });
    const filters = /^Seccomp:\s+(\d)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    const own = /^Seccomp:\s+(\d)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    expect(filters).toBe(sandbox ? "2" : own);
  });

  // The model accepts any device.
  it.skipIf(subject.isModel)(
    "one that cannot start names QEMU's reason, and leaves nothing",
    async () => {
      const bad = { ...definition, devices: [{ driver: "no-such-device" }] };
      const starting = host.run("guest.start", VM, { definition: bad });
      await expect(starting).rejects.toThrow(/qemu: .*no-such-device/s);
      expect(existsSync(folder())).toBe(false);
    },
  );

  it("a definition that names the agent's own files is refused, and the probe reports it", async () => {
    const filename = join(host.config.stateDir, "agent.sqlite");
    const blockdevs = [{ driver: "file", "node-name": "d0", filename }];
    const bad = { ...definition, blockdevs };
    const why = "does not allow blockdevs[0].filename";
    await expect(host.run("guest.start", VM, { definition: bad })).rejects.toThrow(why);
    const adopting = host.run("guest.adopt", VM, { definition: bad, qmpPath: "/nonexistent" });
    await expect(adopting).rejects.toThrow(why);
    const settings = { capabilities: {}, parameters: {} };
    const prepare = { definition: bad, settings, handoverKey };
    const preparing = host.run("target.prepare", VM, prepare, { migrationId });
    await expect(preparing).rejects.toThrow(why);
    const { refusedParts } = await host.run("target.probe", VM, { definition: bad });
    expect(refusedParts).toEqual([`blockdevs[0].filename: ${filename}`]);
    expect(existsSync(folder())).toBe(false);
  });

  it("files without a manifest are cleared away, those with one stay", async () => {
    mkdirSync(folder(), { recursive: true });
    writeFileSync(join(folder(), "qmp.sock"), "of a start that the agent did not survive");
    await host.run("guest.start", VM, { definition });
    const other = join(host.config.runDir, "vm2");
    mkdirSync(other);
    writeFileSync(join(other, "guest.json"), "unreadable");
    await expect(host.run("guest.start", "vm2", { definition })).rejects.toThrow("refused");
    expect(readFileSync(join(other, "guest.json"), "utf8")).toBe("unreadable");
  });

  it("parameters beyond 2^53 are set, and read back, exactly", async () => {
    await host.run("guest.start", VM, { definition });
    const { qmp } = host.guests.get(host.vm(VM));
    const parameters = { "max-bandwidth": "18446744073709551615", "downtime-limit": 7 };
    await applySettings(qmp, { capabilities: { events: true }, parameters });
    expect(await readParameters(qmp, Object.keys(parameters))).toEqual(parameters);
  });

  it("one that does not power down stays, and may be stopped otherwise", async () => {
    await host.run("guest.start", VM, { definition });
    const guest = host.guests.get(host.vm(VM));
    await guest.qmp.execute("system_powerdown");
    expect(guest.isAlive).toBe(true);
    await host.run("guest.stop", VM, { mode: "quit" });
    expect(host.typesOf()).not.toContain("guest.exited");
  });
});

describeOnQemu("a QEMU that somebody else started", () => {
  let host: TestHost;
  let other: RealQemu;
  beforeEach(async () => {
    host = new TestHost("host", subject);
    other = await spawnQemu({ binary: subject.qemu, args: ["-machine", "pc"] });
    await other.client.close();
  });
  afterEach(async () => {
    await host.close();
    await other.close();
  });
  const adopt = () => host.run("guest.adopt", VM, { definition, qmpPath: other.socketPath });

  it("is adopted with its process, and reattached after a restart", async () => {
    expect(await adopt()).toMatchObject({ pid: other.pid });
    expect(await host.run("source.probe", VM, {})).toMatchObject({ runState: "running", cpus: 1 });
    host = await host.restart();
    expect(await host.run("source.probe", VM, {})).toMatchObject({ runState: "running" });
  });

  it("is never killed: one that does not quit is kept", async () => {
    await adopt();
    other.kill("SIGSTOP");
    try {
      await expect(host.run("guest.stop", VM, { mode: "quit" })).rejects.toThrow("has not ended");
    } finally {
      other.kill("SIGCONT");
    }
    await other.exited;
  }, 30_000);

  it("that does not exist, or whose monitor is taken, leaves nothing behind", async () => {
    const qmpPath = join(other.dir, "absent.sock");
    await expect(host.run("guest.adopt", VM, { definition, qmpPath })).rejects.toThrow("not-found");
    writeFileSync(qmpPath, "no socket");
    await expect(host.run("guest.adopt", VM, { definition, qmpPath })).rejects.toThrow("listens");
    expect(existsSync(join(host.config.runDir, VM))).toBe(false);
    await adopt();
  });
});

const binaries = [
  [subject.name, subject.qemu, [8, 1]],
  ["7.2", process.env.SWITCHYARD_QEMU_7_2, undefined],
  ["11.1", process.env.SWITCHYARD_QEMU_11_1, [8, 1]],
] as const;

describe.each(binaries)("the probe of QEMU %s", (name, binary, withAck) => {
  it.skipIf(binary === undefined)(
    "holds what negotiation needs, and comes from a cache when asked again",
    async () => {
      const cache = testFolder();
      const { probe } = await describeBinary(String(binary), cache);
      QemuProbe.parse(probe);
      const said = execFileSync(String(binary), ["--version"], { encoding: "utf8" });
      const { major, minor, micro } = probe.version;
      expect(said).toContain(`version ${major}.${minor}.${micro}`);
      if (/^\d/.test(name)) expect(`${major}.${minor}`).toBe(name);
      const hasAck = withAck !== undefined && (major > 8 || (major === 8 && minor >= 1));
      expect(probe.capabilities.includes("switchover-ack")).toBe(hasAck);
      expect(probe.capabilities).toEqual(expect.arrayContaining(["events", "return-path"]));
      expect(probe.exitOnError).toBe(major > 9 || (major === 9 && minor >= 1));
      expect(probe.multifdCompression).toContain("none");
      expect(probe.parameters["downtime-limit"]).toBe(300);
      expect(probe.traceLog).toBe(true);
      const newest = probe.machines.find(({ alias }) => alias === "pc");
      expect(newest?.name).toMatch(/^pc-i440fx-/);
      const isNewAck = major > 11 || (major === 11 && minor >= 1);
      expect(newest?.switchoverAckLegacy).toBe(hasAck ? !isNewAck : undefined);

      const path = join(cache, "qemu-probe.json");
      const cached = JSON.parse(readFileSync(path, "utf8"));
      cached.probe.version.package = "from the cache";
      writeFileSync(path, JSON.stringify(cached));
      const again = await describeBinary(String(binary), cache);
      expect(again.probe.version.package).toBe("from the cache");
      writeFileSync(path, "{");
      expect((await describeBinary(String(binary), cache)).probe).toEqual(probe);
    },
  );
});

it("a binary that does not exist, or is none of QEMU, is named", async () => {
  const folder = testFolder();
  await expect(describeBinary("/nonexistent/qemu", folder)).rejects.toThrow("/nonexistent/qemu");
  await expect(describeBinary("false", folder)).rejects.toThrow(/false ended with 1/);
});
