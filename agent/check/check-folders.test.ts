import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { AgentConfig } from "../runtime/config.ts";
import { testFolder } from "../testing/folder.ts";
import { checkFolders } from "./check-folders.ts";

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

function look(stateDir: string) {
  const fields = { host: "host-a", apiUrl: "http://127.0.0.1:9", runDir: "/nonexistent" };
  return checkFolders(AgentConfig.parse({ ...fields, stateDir }))[1];
}

function folder(mode = 0o700): string {
  const path = join(testFolder(), "state");
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

describe("the folder of the agent's state", () => {
  it("is in order when only its owner may open it, or when the agent will make it", () => {
    expect(look(folder())).toMatchObject({ level: "ok" });
    expect(look(join(testFolder(), "a/b"))).toMatchObject({
      level: "ok",
      found: expect.stringMatching(/will make/),
    });
  });

  it("is wrong when others may open it", () => {
    const path = folder(0o750);
    expect(look(path)).toMatchObject({
      subject: "stateDir",
      level: "wrong",
      found: expect.stringContaining("mode 750"),
      cure: `chmod 700 ${path}`,
    });
  });

  it("is wrong when it is a file", () => {
    const path = join(testFolder(), "file");
    writeFileSync(path, "");
    expect(look(path)).toMatchObject({ level: "wrong", found: `${path} is no folder` });
    const below = look(join(path, "below"));
    expect(below).toMatchObject({ level: "wrong", cure: expect.stringMatching(/write into/) });
  });

  it("is wrong when it would be empty after a reboot", () => {
    const path = mkdtempSync("/dev/shm/sy-");
    onTestFinished(() => rmSync(path, { recursive: true }));
    for (const place of [path, join(path, "below")]) {
      expect(look(place)).toMatchObject({
        level: "wrong",
        found: expect.stringMatching(/in memory/),
      });
    }
  });

  it.runIf(isRoot)("is wrong when it belongs to another user", () => {
    const path = folder();
    chownSync(path, NOBODY, NOBODY);
    expect(look(path)).toMatchObject({
      level: "wrong",
      cure: expect.stringMatching(/chown -R 0 /),
    });
  });
});
