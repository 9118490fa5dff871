import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { findQemu } from "../../qmp/testing/real-qemu.ts";

const SCRIPT = fileURLToPath(new URL("testing/tap-host.ts", import.meta.url));
const namespace = `sy-${process.pid}`;
const qemu = findQemu();

const Taps = z.array(
  z.object({ ifname: z.string(), isUp: z.boolean(), mtu: z.number(), master: z.string() }),
);
const Seen = z.object({
  badStart: z.string(),
  noBridge: z.string(),
  afterRefusals: Taps,
  started: Taps,
  prepared: Taps,
  moved: Taps,
  discarded: Taps,
  vlans: z.array(
    z.object({
      ifname: z.string(),
      vlans: z.array(z.object({ vlan: z.number(), flags: z.array(z.string()).optional() })),
    }),
  ),
  orphaned: Taps,
  reattached: Taps,
});

/** Whether this command works in a namespace of its own, which takes root and iproute2. */
function works(...command: string[]): boolean {
  if (spawnSync("ip", ["netns", "add", namespace]).status !== 0) return false;
  const { status } = spawnSync("ip", ["netns", "exec", namespace, ...command]);
  spawnSync("ip", ["netns", "delete", namespace]);
  return status === 0;
}
const bridge = ["ip", "link", "add", "br0", "type", "bridge"];
const can = qemu !== undefined && works(...bridge);
const hasVlans = can && works(...bridge, "vlan_filtering", "1");
const why = can ? "" : " (skipped: no QEMU, or no network namespaces with bridges here)";
const whyNoVlans = hasVlans ? "" : " (skipped: this kernel has no VLAN filtering)";

describe.skipIf(!can)(`taps of guests${why}`, () => {
  let seen: z.infer<typeof Seen>;

  beforeAll(() => {
    const inside = (...command: string[]) =>
      execFileSync("ip", ["netns", "exec", namespace, ...command], {
        encoding: "utf8",
        timeout: 90_000,
      });
    execFileSync("ip", ["netns", "add", namespace]);
    inside("ip", "link", "set", "dev", "lo", "up");
    inside(...bridge, ...(hasVlans ? ["vlan_filtering", "1"] : []));
    inside("ip", "link", "set", "dev", "br0", "up");
    const output = inside(process.execPath, SCRIPT, qemu ?? "", ...(hasVlans ? ["vlan"] : []));
    seen = Seen.parse(JSON.parse(output.trim().split("\n").at(-1) ?? ""));
  }, 120_000);
  afterAll(() => void spawnSync("ip", ["netns", "delete", namespace]));

  it("are made for a guest that starts, on their bridge, and are up when it runs", () => {
    expect(seen.started).toEqual([
      { ifname: expect.stringMatching(/^sy[0-9a-f]{12}$/), isUp: true, mtu: 1400, master: "br0" },
    ]);
  });

  it.skipIf(!hasVlans)(`have their VLAN untagged, and no other${whyNoVlans}`, () => {
    const [tap] = seen.discarded;
    const { vlans } = seen.vlans.find(({ ifname }) => ifname === tap?.ifname) ?? {};
    expect(vlans).toEqual([{ vlan: 20, flags: ["PVID", "Egress Untagged"] }]);
  });

  it("of a target are down until the guest runs there, and then up", () => {
    const [source] = seen.started;
    const target = seen.prepared.find(({ ifname }) => ifname !== source?.ifname);
    expect(seen.prepared).toHaveLength(2);
    expect(target).toMatchObject({ isUp: false, master: "br0" });
    expect(seen.moved.find(({ ifname }) => ifname === target?.ifname)).toMatchObject({
      isUp: true,
    });
  });

  it("are removed with the guest's process, on the source after the move", () => {
    const [source] = seen.started;
    expect(seen.discarded.map(({ ifname }) => ifname)).not.toContain(source?.ifname);
    expect(seen.discarded).toHaveLength(1);
  });

  it("of a guest that ended without an agent are removed by the next agent", () => {
    expect(seen.orphaned.length).toBeLessThanOrEqual(1);
    expect(seen.reattached).toEqual([]);
  });

  it("of a start that failed are removed, and a bridge that is not there is named", () => {
    expect(seen.badStart).toMatch(/no-such-device/);
    expect(seen.noBridge).toMatch(
      /no resource gone \(\/sys\/class\/net\/br9\/bridge does not exist\)/,
    );
    expect(seen.afterRefusals).toEqual([]);
  });
});
