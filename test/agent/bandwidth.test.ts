import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { migrationId, Pair, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const SLOW = 2 << 20;

describeOnQemu("the bandwidth limit of a running migration", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  const limit = (maxBandwidthBytesPerSecond: number, revision: number) =>
    pair.source.run("source.set", VM, { maxBandwidthBytesPerSecond, revision }, { migrationId });
  const inForce = async () => {
    const { qmp } = pair.source.guests.get(pair.source.vm(VM));
    return Number((await qmp.execute("query-migrate-parameters"))["max-bandwidth"]);
  };
  /** As QEMU measures it, B/s. */
  const rate = async () => {
    const { qmp } = pair.source.guests.get(pair.source.vm(VM));
    return ((await qmp.execute("query-migrate")).ram?.mbps ?? 0) * 125_000;
  };

  it("changes what is sent, outlives the agent, and the newest one applies", async () => {
    await pair.start({ parameters: { "max-bandwidth": SLOW } });
    await vi.waitFor(async () => expect(await rate()).toBeGreaterThan(SLOW / 4), 20_000);
    expect(await rate()).toBeLessThan(SLOW * 2);

    const less = SLOW / 8;
    expect(await limit(less, 2)).toEqual({ maxBandwidthBytesPerSecond: less });
    await vi.waitFor(async () => expect(await rate()).toBeLessThan(SLOW / 4), 20_000);
    expect(await limit(2 ** 30, 1)).toEqual({ maxBandwidthBytesPerSecond: less });
    expect(await inForce()).toBe(less);
    expect((await pair.source.waitFor("migration.bandwidth-set")).body).toMatchObject({
      maxBandwidthBytesPerSecond: less,
    });

    // A restarted agent restores what counts, not what was agreed at first.
    pair.source = await pair.source.restart();
    await vi.waitFor(async () => expect(await inForce()).toBe(less), 10_000);

    await limit(0, 3);
    await pair.hasMoved();
    await expect(limit(5, 4)).rejects.toThrow("refused");
  });
});
