import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PATIENCE_MS, Plane } from "./testing/plane.ts";

const page = readFileSync(new URL("../../docs/operate/schedules.md", import.meta.url), "utf8");

/** The commands of the page's sh blocks, in their order. */
const commands = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, text = ""]) =>
  text
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line !== ""),
);

let plane: Plane;
let path: string;

beforeAll(async () => {
  plane = await Plane.start();
  const command = join(plane.folder, "switchyard");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${plane.bundle}" "$@"\n`);
  chmodSync(command, 0o755);
  path = `${plane.folder}:${plane.environment.PATH}`;
}, PATIENCE_MS);
afterAll(() => plane?.stop(), PATIENCE_MS);

async function run(command: string, environment: Record<string, string> = {}) {
  return plane.shell(command, { PATH: path, ...environment });
}

/** The id of the one that there is; empty: there is none. */
async function idOf(noun: string): Promise<string> {
  return (await run(`switchyard ${noun} list -o name`)).stdout.trim();
}

describe("the page of schedules", () => {
  it(
    "has commands that work as they stand",
    async () => {
      expect(commands.length).toBeGreaterThan(10);
      await run("switchyard host label host-a rack=7");
      for (const command of commands) {
        const environment = {
          ID: await idOf("schedule"),
          FREEZE: await idOf("change-freeze"),
        };
        const ran = await run(command, environment);
        expect({ command, exit: ran.exit, stderr: ran.exit === 0 ? "" : ran.stderr }).toEqual({
          command,
          exit: 0,
          stderr: "",
        });
      }
      expect([await idOf("schedule"), await idOf("change-freeze")]).toEqual(["", ""]);
    },
    PATIENCE_MS,
  );
});
