import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { bindIn, unbindIn, withOwnMounts } from "../../rig/own-mounts.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { BOOTED_TICKS, CaseStage, idle, MEMORY_BYTES } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const ownMounts = qemu === undefined ? undefined : withOwnMounts();
const unlessMounts = ownMounts === undefined ? " (skipped: no mount namespaces)" : "";
const CONTENT = Buffer.alloc(1 << 20, "storage");

describe.skipIf(ownMounts === undefined)(`storage${unlessQemu}${unlessMounts}`, () => {
  let cases: CaseStage;
  let vm = "";
  /** Where the images of the VM are, by the path that its definition has. */
  let folder = "";
  const bound: string[] = [];

  beforeAll(async () => {
    cases = await CaseStage.start({ wrappers: { "host-b": ownMounts ?? [] } });
  });
  afterAll(() => cases?.close());
  beforeEach(() => {
    vm = cases.nextVm();
    folder = join(cases.fleet.folder, `${vm}-images`);
    mkdirSync(folder);
  });
  afterEach(async () => {
    await cases?.remove(vm);
    for (const path of bound.splice(0)) unbindIn(hostB(), path);
  });

  it("A3: a file of the same path that is another file is refused before anything is sent", async () => {
    const { image } = await start({});
    const copy = write("copy.img", CONTENT);
    onHostB(copy, image);
    await isRefused(await move(), { name: `storage ${image}`, cure: /another file has this name/ });
    expect(readFileSync(image).equals(CONTENT)).toBe(true);
  });

  it("A3: a folder of the same path that is another folder is refused", async () => {
    const { image } = await start({});
    const other = join(cases.fleet.folder, `${vm}-other`);
    mkdirSync(other);
    writeFileSync(join(other, "data.img"), CONTENT);
    onHostB(other, folder);
    await isRefused(await move(), { name: `storage ${image}`, cure: /another file has this name/ });
    expect(readdirSync(folder)).toEqual(["data.img"]);
  });

  it("an image that was replaced while the guest ran is refused", async () => {
    const { image } = await start({});
    const other = write("other.img", CONTENT);
    await cases.operate("host-a", vm, async () => renameSync(other, image));
    await isRefused(await move(), {
      name: `storage ${image}`,
      cure: /the file that QEMU has open/,
    });
  });

  it("a difference that the policy accepts by its name does not refuse", async () => {
    const { image } = await start({});
    onHostB(write("copy.img", CONTENT), image);
    const [difference] = (await move()).twinCheck?.differences ?? [];
    const name = difference?.name ?? "";
    const ended = await cases.ends(await cases.begin(vm, { acceptDifferences: [name] }));
    expect(ended.failure).toBeUndefined();
    expect(ended.twinCheck?.harmless).toContainEqual(expect.objectContaining({ name }));
    await cases.stage.runsOnlyOn(vm, "host-b");
  });

  it("a file that both hosts share moves there and back, whatever leads to it", async () => {
    const { image } = await start({});
    // The same folder, mounted a second time.
    onHostB(folder, folder);
    for (const target of ["host-b", "host-a"]) {
      const ended = await cases.ends(await cases.begin(vm, {}, target));
      expect(ended.failure).toBeUndefined();
      expect(ended.twinCheck?.storage?.files).toContainEqual({
        name: expect.stringContaining(image),
        proof: "same-file",
      });
    }
    await cases.stage.runsOnlyOn(vm, "host-a");
  });

  it("between two machines, a shared file is proved by a witness, which is removed", async () => {
    const { image } = await start({});
    await bootAgain("host-b");
    const ended = await move();
    expect(ended.failure).toBeUndefined();
    expect(ended.twinCheck?.storage?.files).toContainEqual({
      name: expect.stringContaining(image),
      proof: "witness",
    });
    await cases.stage.runsOnlyOn(vm, "host-b");
    expect(readdirSync(folder)).toEqual(["data.img"]);
  });

  it("between two machines, a cache mode that loses writes is refused", async () => {
    const { image } = await start({ cache: { "no-flush": true } });
    await bootAgain("host-b");
    const { failure, twinCheck } = await move();
    expect(failure?.code).toBe("storage-not-shared");
    expect(twinCheck?.differences).toEqual([
      {
        name: expect.stringMatching(new RegExp(`"data-disk"\\): cache of ${image}$`)),
        source: expect.stringMatching(/no-flush is on/),
        target: expect.stringMatching(/no-flush is on/),
        cure: expect.stringMatching(/`cache.no-flush` false/),
        about: "storage",
      },
    ]);
  });

  it("read-only media may be copies with the same content, and no others", async () => {
    const { image } = await start({ "read-only": true });
    const copy = write("copy.img", CONTENT);
    onHostB(copy, image);
    writeFileSync(copy, Buffer.alloc(CONTENT.length, "another"));
    await isRefused(await move(), { name: `storage ${image}`, cure: /same read-only file/ });
    writeFileSync(copy, CONTENT);
    const ended = await move();
    expect(ended.failure).toBeUndefined();
    expect(ended.twinCheck?.storage?.files).toContainEqual({
      name: expect.stringContaining(image),
      proof: "same-content",
    });
    await cases.stage.runsOnlyOn(vm, "host-b");
  });

  function hostB(): number {
    return cases.fleet.agent("host-b").pid ?? 0;
  }

  /** From now on the host is another machine, as far as its agent knows. */
  async function bootAgain(host: string): Promise<void> {
    writeFileSync(join(cases.fleet.folder, host, "boot-id"), randomUUID());
    await cases.stage.restartAgent(host);
    await cases.fleet.waitForHost(host);
  }

  function onHostB(from: string, to: string): void {
    bindIn(hostB(), from, to);
    bound.push(to);
  }

  function write(name: string, content: Buffer): string {
    const path = join(cases.fleet.folder, `${vm}-${name}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** Starts a guest with a data disk. */
  async function start(blockdev: object) {
    const boot = join(cases.fleet.folder, `${vm}.img`);
    const image = join(folder, "data.img");
    await writeBootDisk(boot, idle);
    writeFileSync(image, CONTENT);
    const { blockdevs, devices } = bootDiskDefinition(boot);
    const data = { driver: "file", "node-name": "data", filename: image, ...blockdev };
    const definition = VmDefinition.parse({
      machine: "pc",
      memoryBytes: MEMORY_BYTES,
      blockdevs: [...blockdevs, data],
      devices: [...devices, { driver: "virtio-blk-pci", id: "data-disk", drive: "data" }],
    });
    await cases.define(vm, definition, BOOTED_TICKS);
    return { image };
  }

  async function move() {
    return cases.ends(await cases.begin(vm, {}));
  }

  type Ended = Awaited<ReturnType<typeof move>>;

  async function isRefused(ended: Ended, { name, cure }: { name: string; cure: RegExp }) {
    expect(ended).toMatchObject({ status: "failed", failure: { code: "storage-not-shared" } });
    // `migrate` was never sent.
    expect(ended).not.toHaveProperty("startedAtMs");
    expect(ended.twinCheck?.differences).toEqual([
      {
        name: expect.stringMatching(new RegExp(`"data-disk"\\): ${name}$`)),
        source: expect.stringMatching(/data\.img: .+/),
        target: expect.stringMatching(/data\.img: .+/),
        cure: expect.stringMatching(cure),
        about: "storage",
      },
    ]);
    const [difference] = ended.twinCheck?.differences ?? [];
    expect(difference?.source).not.toBe(difference?.target);
    expect(await cases.becomes(vm, "running")).toMatchObject({ host: "host-a" });
    await cases.stage.hasExited(vm, "host-b");
  }
});
