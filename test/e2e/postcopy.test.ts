import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { userfaultfd } from "../../agent/probe/host.ts";
import { POSTCOPY_MS, PostcopyStage } from "./testing/postcopy-stage.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "./testing/stage.ts";

const CUTS = 2;

describe.skipIf(qemu === undefined || !userfaultfd())(
  `postcopy whose connection breaks${unlessQemu}`,
  () => {
    let postcopy: PostcopyStage;

    beforeAll(async () => {
      postcopy = await PostcopyStage.start();
    }, PATIENCE_MS);
    afterEach(() => postcopy.clear());
    afterAll(() => postcopy?.close(), PATIENCE_MS);

    it(
      `is recovered by the coordinator, ${CUTS} times, with nothing lost`,
      async () => {
        const id = await postcopy.begin(CUTS);
        const ended = await postcopy.ends(id);
        expect(ended.failure).toBeUndefined();
        expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
        expect(ended.postcopyAtMs).toEqual(expect.any(Number));
        const { verbs } = postcopy;
        expect(verbs.filter((verb) => verb === "target.recover")).toHaveLength(CUTS);
        expect(verbs.filter((verb) => verb === "source.recover")).toHaveLength(CUTS);
        expect(verbs).not.toContain("source.cancel");
        await postcopy.expectWhole();
      },
      POSTCOPY_MS,
    );
  },
);
