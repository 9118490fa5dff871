import { afterEach, beforeEach, expect, it } from "vitest";
import { readParameters } from "../../agent/migrate/settings.ts";
import type { Agreement } from "../../core/negotiate/agreement.ts";
import { negotiate } from "../../core/negotiate/negotiate.ts";
import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import type { SideSettings } from "../../core/protocol/side-settings.ts";
import type { TestHost } from "./testing/host.ts";
import { handoverKey, migrationId, Pair, SLOW, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

describeOnQemu("agreed settings", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  async function agree(policy: object): Promise<Agreement> {
    const { definition } = pair;
    if (!definition) throw new Error("Expected a guest");
    const source = await pair.source.run("source.probe", VM, {});
    const target = await pair.target.run("target.probe", VM, { definition });
    const input = { source, target, policy: MigrationPolicy.parse(policy), definition };
    const result = negotiate(input);
    if (!result.agreed) throw new Error(JSON.stringify(result.blockers));
    return result.agreement;
  }

  async function begin({ source, target, ackMode, tls }: Agreement) {
    const { definition } = pair;
    if (!definition) throw new Error("Expected a guest");
    const secret = { handoverKey, ...(tls ? { tls } : {}) };
    const prepared = await pair.target.run(
      "target.prepare",
      VM,
      { definition, settings: target, ...secret },
      { migrationId },
    );
    const { migrationUri, handover } = prepared;
    await pair.source.run(
      "source.start",
      VM,
      {
        settings: source,
        migrationUri,
        handover,
        ...secret,
        ackExpected: ackMode !== "none",
        precopyDeadlineMs: 60_000,
      },
      { migrationId },
    );
  }

  /** What is set in QEMU, as far as it was agreed. */
  async function readBack(host: TestHost, agreed: SideSettings): Promise<SideSettings> {
    const { qmp } = host.guests.get(host.vm(VM));
    const capabilities = await qmp.execute("query-migrate-capabilities");
    return {
      capabilities: Object.fromEntries(
        capabilities.map(({ capability, state }) => [capability, state]),
      ),
      parameters: await readParameters(qmp, Object.keys(agreed.parameters)),
    };
  }

  it.each([
    ["multifd and zlib", { multifd: "require" }, { "multifd-compression": "zlib" }],
    ["multifd and zstd", { multifd: "require" }, { "multifd-compression": "zstd" }],
    ["xbzrle", { xbzrle: "require" }, { "xbzrle-cache-size": 8 << 20 }],
    ["auto-converge", { "auto-converge": "require" }, { "cpu-throttle-initial": 30 }],
  ])("%s: both QEMUs have what was agreed, and the guest moves", async (_, capabilities, given) => {
    const channels = "multifd" in capabilities ? { "multifd-channels": 4 } : {};
    const parameters = { ...channels, ...given };
    const agreement = await agree({ capabilities, parameters, tls: "off" });
    expect(agreement.source.parameters).toMatchObject(parameters);
    // Held open until it has been read.
    agreement.source.parameters["max-bandwidth"] = SLOW;
    await begin(agreement);
    for (const side of ["source", "target"] as const) {
      expect(await readBack(pair[side], agreement[side])).toEqual(agreement[side]);
    }
    await pair.speedUp();
    await pair.hasMoved();
  });

  it("the next migration finds nothing of the one before, whatever that had on", async () => {
    const { qmp } = pair.source.guests.get(pair.source.vm(VM));
    const left = { "multifd-compression": "zlib", "tls-creds": "nothing" };
    await qmp.execute("migrate-set-parameters", left);
    const capabilities = { multifd: "require", "zero-copy-send": "require" };
    const agreement = await agree({ capabilities });
    await begin(agreement).catch(() => undefined);
    expect(await readBack(pair.source, agreement.source)).toEqual(agreement.source);
  });

  it("zero-copy-send moves the guest, or fails with QEMU's words and the guest runs on", async () => {
    const capabilities = { multifd: "require", "zero-copy-send": "require" };
    await begin(await agree({ capabilities }));
    const outcome = await Promise.race([
      pair.source.waitFor("migration.source-completed"),
      pair.source.waitFor("migration.failed"),
    ]);
    if (outcome.body.type === "migration.source-completed") return pair.hasMoved();
    expect(outcome.body.errorDescription).not.toBe("");
    await pair.hasRun(pair.source);
  });
});
