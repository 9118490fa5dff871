import { describe, expect, it } from "vitest";
import { findTimedFiles } from "./find-files.ts";

describe("the files that test:steady runs", () => {
  it.each([
    ["which start processes", "test/e2e/moves.test.ts"],
    ["which run real QEMU", "qmp/client.qemu.test.ts"],
    ["whose helpers use timers", "qmp/client.test.ts"],
    ["which wait for a file to change", "agent/migrate/ack-watch.test.ts"],
    ["which test code that uses timers", "agent/migrate/source/flood-control.test.ts"],
  ])("are those %s", (_, file) => {
    expect(findTimedFiles([file])).toEqual([file]);
  });

  it.each([
    ["are pure", "core/id.test.ts"],
    ["have a command of their own", "test/e2e/postcopy.slow.test.ts"],
    ["need the tools of the deployment", "test/infra/rights.infra.test.ts"],
    ["need a browser", "test/dashboard/live.browser.test.ts"],
  ])("are not those which %s", (_, file) => {
    expect(findTimedFiles([file])).toEqual([]);
  });
});
