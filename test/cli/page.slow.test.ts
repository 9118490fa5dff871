import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examplesOf } from "./testing/page.ts";
import { normalize, PATIENCE_MS, Plane } from "./testing/plane.ts";

const PAGE = new URL("../../docs/operate/cli.md", import.meta.url);
const page = readFileSync(PAGE, "utf8");
const examples = examplesOf(page);

let plane: Plane;
const written: { command: string; text: string }[] = [];

beforeAll(async () => {
  plane = await Plane.start();
  const command = join(plane.folder, "switchyard");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${plane.bundle}" "$@"\n`);
  chmodSync(command, 0o755);
}, PATIENCE_MS);

afterAll(async () => {
  await plane?.stop();
  if (process.env.UPDATE_PAGE === "1") writeFileSync(PAGE, updated());
}, PATIENCE_MS);

describe("the page of the command line", () => {
  it("has examples", () => {
    expect(examples.length).toBeGreaterThan(10);
  });

  it.each(examples)(
    "shows what `$command` writes",
    async ({ command, output, exit }) => {
      const path = `${plane.folder}:${plane.environment.PATH}`;
      const ran = await plane.shell(command, { PATH: path });
      const text = `${ran.stdout}${ran.stderr}`.trimEnd();
      const last = ran.exit === 0 ? "" : `\n# exit ${ran.exit}`;
      written.push({ command, text: `${text}${last}` });
      if (process.env.UPDATE_PAGE === "1") return;
      expect({ output: normalize(text), exit: ran.exit }).toEqual({
        output: normalize(output),
        exit,
      });
    },
    PATIENCE_MS,
  );
});

/** The page with what the commands wrote now. */
function updated(): string {
  let place = 0;
  return page.replace(/```console\n\$ (.+)\n[\s\S]*?```/g, (_, command: string) => {
    const text = written[place]?.text ?? "";
    place += 1;
    return `\`\`\`console\n$ ${command}\n${text}${text === "" ? "" : "\n"}\`\`\``;
  });
}
