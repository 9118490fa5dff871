import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { MODEL_QEMU } from "../../rig/qemu.ts";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

describe.skipIf(qemu === undefined)(`an encrypted move${unlessQemu}`, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start();
    await stage.guest("first");
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  it(
    "uses a key of its own, and the record states it",
    async () => {
      const policy = { tls: "psk", capabilities: { multifd: "require" } };
      const done = await stage.move("first", "host-b", policy);
      await stage.runsOnlyOn("first", "host-b");
      expect(done.agreement?.tls).toBe("psk");
      expect(done.agreement?.choices).toContainEqual(
        expect.objectContaining({ subject: "tls", value: "psk" }),
      );
    },
    PATIENCE_MS * 2,
  );
});

// Where there is no QEMU, and in `npm run test:slow`.
describe.skipIf(qemu !== undefined)("an encrypted move of the model", () => {
  let stage: Stage;
  let dir: string;

  beforeAll(async () => {
    // The model compares authorities and speaks no TLS: it accepts any text as a certificate.
    dir = ownedFolder("sy-x509-");
    const parts = ["ca-cert", "server-cert", "server-key", "client-cert", "client-key"];
    for (const part of parts) writeFileSync(join(dir, `${part}.pem`), "one authority");
    stage = await Stage.start({
      hosts: { "host-a": MODEL_QEMU, "host-b": MODEL_QEMU },
      agent: { tls: { dir } },
      environment: { QEMU_MODEL: JSON.stringify({ counterPerSecond: 100 }) },
    });
    await stage.guest("first");
  }, PATIENCE_MS);
  afterAll(async () => {
    await stage?.close();
    removeFolder(dir);
  }, PATIENCE_MS);

  it.each([
    ["psk", "host-b"],
    ["x509", "host-a"],
  ])(
    "completes with %s, and leaves no key",
    async (tls, target) => {
      const policy = { tls, capabilities: { multifd: "require" } };
      const done = await stage.move("first", target, policy);
      expect(done.agreement?.tls).toBe(tls);
      await stage.wentStraight(done);
      await stage.runsOnlyOn("first", target);
      expect(existsSync(join(stage.fleet.guestFolder(target, "first"), "keys.psk"))).toBe(false);
    },
    PATIENCE_MS,
  );
});
