import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

describe.skipIf(qemu === undefined)(`an encrypted move${unlessQemu}`, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start();
    await stage.guest("first");
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  it(
    "takes a key of its own and nothing else, and the record says so",
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
