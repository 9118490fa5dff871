import { readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { Fleet } from "../../rig/fleet.ts";
import { MODEL_QEMU } from "../../rig/qemu.ts";
import { PATIENCE_MS } from "../e2e/testing/stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let fleet: Fleet | undefined;
afterEach(() => fleet?.stop());

it.each([
  { what: "table", file: /dynamodb.*\.(sqlite|db)$/, damage: "is empty", text: "" },
  { what: "token", file: /operator-token$/, damage: "is empty", text: "" },
  { what: "list of state machines", file: /machines\.json$/, damage: "is torn", text: '{"torn":' },
])("E8: a data folder whose $what $damage is refused, and the file is named", async (row) => {
  fleet = await Fleet.start({ hosts: { "host-a": MODEL_QEMU } });
  await fleet.agent("host-a").stop();
  await fleet.cloud.stop();
  const data = join(fleet.folder, "cloud");
  const names = readdirSync(data, { recursive: true, encoding: "utf8" });
  const name = names.find((each) => row.file.test(each));
  if (name === undefined) throw new Error(`Expected ${row.file} among ${names.join(", ")}`);
  const path = join(data, name);
  // SQLite's log of the same database would restore what was in the file.
  for (const more of names.filter((each) => each.startsWith(`${name}-`))) {
    truncateSync(join(data, more));
  }
  writeFileSync(path, row.text);

  const refusal = await fleet.startCloud().then(
    () => "it started",
    (error: unknown) => String(error),
  );
  expect(refusal).toContain("ended");
  expect(refusal).toContain(path);
  expect(refusal).toMatch(/restore|remove|delete|backup/i);
});
