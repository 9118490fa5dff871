import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { userfaultfd } from "../../agent/probe/host.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { POSTCOPY_MS, PostcopyStage } from "./testing/postcopy-stage.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "./testing/stage.ts";

const FORBIDDEN = ["source.cancel", "source.resume", "target.discard", "source.discard"];
/** Nothing listens there. */
const NOWHERE = "tcp:127.0.0.1:1";

/** test/workflow/postcopy.test.ts proves the same, in `npm test`, on modelled hosts. */
describe.skipIf(qemu === undefined || !userfaultfd())(
  `postcopy that no attempt recovers${unlessQemu}`,
  () => {
    let postcopy: PostcopyStage;

    beforeAll(async () => {
      postcopy = await PostcopyStage.start();
    }, PATIENCE_MS);
    afterEach(() => postcopy.clear());
    afterAll(() => postcopy?.close(), PATIENCE_MS);

    it(
      "ends as unknown with both sides untouched; a reconcile request then completes it",
      async () => {
        const { stage } = postcopy;
        const id = await postcopy.begin(1);
        postcopy.recoveryUri = NOWHERE;
        const ended = await postcopy.ends(id);
        expect(ended).toMatchObject({ status: "unknown", failure: { code: "unknown-state" } });
        expect(ended).not.toHaveProperty("runningOn");
        expect(ended.failure?.state).toMatch(/paused at both sides.*memory that is still on/);
        expect(ended.failure?.cure).toMatch(/until a person decides/);
        const { verbs, vm } = postcopy;
        expect(verbs.filter((verb) => verb === "source.recover")).toHaveLength(5);
        expect(verbs.filter((verb) => FORBIDDEN.includes(verb))).toEqual([]);
        expect(stage.fleet.guestPid("host-a", vm)).toEqual(expect.any(Number));
        expect(stage.fleet.guestPid("host-b", vm)).toEqual(expect.any(Number));
        expect(await stage.api.getVm(vm)).toMatchObject({ state: "unknown", lockedBy: id });

        postcopy.recoveryUri = undefined;
        await stage.api.reconcileVm(vm);
        expect(await statusAfter(id)).toBe("completed");
        await postcopy.expectWhole();
      },
      POSTCOPY_MS + PATIENCE_MS,
    );

    /** The status once the reopened migration no longer runs. */
    function statusAfter(id: string): Promise<string> {
      return waitUntil(
        `the end of ${id}`,
        async () => {
          const { status } = await postcopy.stage.api.getMigration(id);
          return status === "running" ? undefined : status;
        },
        { timeoutMs: PATIENCE_MS, everyMs: 200 },
      );
    }
  },
);
