import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { commandsOf } from "./testing/page-commands.ts";
import { expected, notRun, runElsewhere } from "./testing/registry.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const pages = readdirSync(`${ROOT}docs/operate`).filter((name) => commandsOf(name).length > 0);

const startsOf = (page: string) => [
  ...Object.keys(expected[page] ?? {}),
  ...Object.keys(notRun[page] ?? {}),
];

describe("the commands of the pages for operators", () => {
  it.each(pages)("%s: each is run by a test, or is listed with the reason", (page) => {
    const elsewhere = runElsewhere[page];
    const commands = commandsOf(page);
    if (elsewhere === undefined) {
      const unknown = commands.filter(
        (command) => !startsOf(page).some((start) => command.startsWith(start)),
      );
      expect(unknown).toEqual([]);
      return;
    }
    const test = readFileSync(`${ROOT}${elsewhere.test}`, "utf8");
    expect([test.includes("docs/operate/"), test.includes(page.replace(".md", ""))]).toEqual([
      true,
      true,
    ]);
    expect({ page, commands: commands.length }).toEqual({ page, commands: elsewhere.commands });
  });

  it("that are listed exist", () => {
    const listed = Object.keys({ ...expected, ...notRun }).flatMap((page) =>
      startsOf(page).map((start) => ({ page, start })),
    );
    const gone = listed.filter(
      ({ page, start }) => !commandsOf(page).some((command) => command.startsWith(start)),
    );
    expect(gone).toEqual([]);
    expect(Object.keys(runElsewhere).filter((page) => !pages.includes(page))).toEqual([]);
  });
});
