import { existsSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { machine, startFixture, waitForToken } from "./testing/fixture.ts";

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "full-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe.skipIf(!existsSync("/dev/full"))("an engine whose disk is full", () => {
  it("keeps the change and what depends on it, and continues when there is room", async () => {
    const tokens: string[] = [];
    const failures: unknown[] = [];
    const fixture = await startFixture(
      { keepToken: async (event) => tokens.push((event as { token: string }).token) },
      { dataDir, logger: { debug: () => {}, error: (...line: unknown[]) => failures.push(line) } },
    );
    const arn = await fixture.start(
      await fixture.create(
        machine({
          First: waitForToken("keepToken", { Next: "Second" }),
          Second: waitForToken("keepToken"),
        }),
      ),
    );
    const [token = ""] = await vi.waitFor(() => {
      expect(tokens).toHaveLength(1);
      return tokens;
    }, 20_000);
    const executions = join(dataDir, "executions");
    const journal = join(executions, readdirSync(executions)[0] ?? "");
    renameSync(journal, `${journal}.aside`);
    symlinkSync("/dev/full", journal);

    const answered = fixture.succeed(token, "yes");
    await vi.waitFor(() => expect(failures.length).toBeGreaterThan(0), 20_000);
    expect(tokens).toHaveLength(1);
    rmSync(journal);
    renameSync(`${journal}.aside`, journal);
    await answered;
    const second = await vi.waitFor(() => {
      expect(tokens).toHaveLength(2);
      return tokens[1] ?? "";
    }, 20_000);
    await fixture.succeed(second, "done");
    expect(await fixture.ended(arn)).toMatchObject({ status: "SUCCEEDED", output: '"done"' });
    await fixture.close();
  });
});
