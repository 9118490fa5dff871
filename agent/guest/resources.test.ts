import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { readConfig } from "../runtime/config.ts";
import { missingResources, resolveResources } from "./resources.ts";
import { spawnGuest } from "./spawn.ts";

const definition = VmDefinition.parse({
  memoryBytes: 2 ** 20,
  devices: [
    { driver: "vfio-pci", id: "vf0", sysfsdev: { $host: "gpu0" } },
    { driver: "vfio-pci", id: "vf1", host: { $host: "nic0" } },
  ],
});
const address = "/sys/bus/mdev/devices/1";

const folder = mkdtempSync(join(tmpdir(), "sy-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("host resources of a guest", () => {
  it("get their addresses from this host's configuration", () => {
    const values = { gpu0: address, nic0: "0000:03:00.1" };
    const { definition: resolved } = resolveResources(definition, values, "/run/vm1");
    expect(resolved.devices).toEqual([
      { driver: "vfio-pci", id: "vf0", sysfsdev: address },
      { driver: "vfio-pci", id: "vf1", host: "0000:03:00.1" },
    ]);
    expect(definition.devices[0]?.sysfsdev).toEqual({ $host: "gpu0" });
  });

  it("are all named when they are missing", () => {
    expect(missingResources(definition, { gpu0: address })).toEqual(["nic0"]);
    expect(() => resolveResources(definition, {}, "/run/vm1")).toThrow(
      "This host has no resource gpu0, nic0: name it in `resources`",
    );
  });

  it("are not found among inherited members", () => {
    const devices = [{ driver: "vfio-pci", sysfsdev: { $host: "constructor" } }];
    const odd = VmDefinition.parse({ memoryBytes: 2 ** 20, devices });
    expect(missingResources(odd, {})).toEqual(["constructor"]);
  });

  it("refuse the start when they are missing, and no folder is left", async () => {
    const runDir = mkdtempSync(join(tmpdir(), "sy-"));
    const options = { vm: "vm1", definition, qemu: "/bin/false", runDir, sandbox: false } as const;
    const start = spawnGuest({ ...options, vm: "vm1" as never, incoming: true, resources: {} });
    await expect(start).rejects.toThrow("no resource gpu0, nic0");
    expect(readdirSync(runDir)).toEqual([]);
    rmSync(runDir, { recursive: true });
  });

  it("come from the configuration file", () => {
    const path = join(folder, "agent.json");
    const config = {
      host: "host-a",
      apiUrl: "http://127.0.0.1:1",
      joinTokenFile: "k",
      runDir: "r",
      stateDir: "s",
    };
    writeFileSync(path, JSON.stringify({ ...config, resources: { gpu0: address } }));
    expect(readConfig(path).resources).toEqual({ gpu0: address });
    writeFileSync(path, JSON.stringify({ ...config, resources: { gpu0: 1 } }));
    expect(() => readConfig(path)).toThrow(/resources/);
  });
});
