import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { compareTrial } from "../../agent/discovery/compare-trial.ts";
import { runTrial } from "../../agent/discovery/trial.ts";
import { readTwin } from "../../agent/twin/read.ts";
import { VmId } from "../../core/id.ts";
import { importCommandLine } from "../../core/import/import-command-line.ts";
import { QmpClient } from "../../qmp/client.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { RawQemus } from "./testing/raw-qemu.ts";
import { type Sample, samples } from "./testing/samples.ts";

/** Each proof starts a QEMU, beside whatever else the machine does. */
vi.setConfig({ testTimeout: 90_000 });
const qemu = findQemu();
let qemus: RawQemus;
beforeEach(() => {
  qemus = new RawQemus();
});
afterEach(() => qemus.close());

/** What becomes of each sample's options, as `outcome option`. */
const expected: Readonly<Record<Sample["name"], readonly string[]>> = {
  shell: [
    "replaced exec",
    "replaced -name wiki",
    "replaced -qmp unix:/srv/guests/wiki.qmp",
    "replaced -monitor none",
  ],
  proxmox: [
    "replaced -id 100",
    "replaced -name web",
    "replaced -chardev socket",
    "replaced -mon chardev=qmp",
    "replaced -mon chardev=qmp-event",
    "replaced -pidfile /var/run/qemu-server/100.pid",
    "replaced -daemonize",
    "lost -boot splash=/usr/share/qemu-server/bootsplash.jpg",
    "replaced -vnc unix:/var/run/qemu-server/100.vnc",
    "lost -vnc password=on",
    "replaced -chardev socket",
    "replaced -iscsi initiator-name=iqn.1993-08.org.debian:01:5ad",
    "replaced -netdev type=tap",
  ],
  libvirt: [
    "replaced -name guest=db",
    "replaced -S",
    "replaced -object secret",
    "replaced -no-user-config",
    "replaced -chardev socket",
    "replaced -mon chardev=charmonitor",
    'replaced -netdev {"type":"tap"',
    "replaced -chardev pty",
    "replaced -chardev socket",
    "replaced -vnc 127.0.0.1:0",
    "replaced -sandbox on",
    "replaced -msg timestamp=on",
  ],
};

describe.each(samples)("the command line of $name", (sample) => {
  it("comes in, and what is lost is listed exactly", () => {
    const { notes } = importCommandLine(sample.text);
    const listed = notes.map(({ outcome, option }) => `${outcome} ${option.split(",")[0]}`);
    expect(listed).toEqual(expected[sample.name]);
  });

  it.skipIf(qemu === undefined)("starts on QEMU, and is the same machine", async () => {
    const { monitor, text, pid } = await qemus.startSample(sample);
    const { definition } = importCommandLine(text);
    const qmp = await QmpClient.connect({ path: monitor });
    const manifest = { pid, definition };
    const { reading: running } = await readTwin({ qmp, manifest }, new Map());
    await qmp.close();
    const host = { qemu: qemu ?? "", runDir: qemus.path("r"), sandbox: false, resources: {} };
    const trial = await runTrial(VmId.parse(sample.name), definition, host);
    const comparison = compareTrial(running, trial);
    expect(comparison.differences).toEqual([]);
    expect(comparison.values).toBeGreaterThan(300);
  });
});
