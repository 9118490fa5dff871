import { SendTaskSuccessCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, machine, startFixture, tokenTray, waitForToken } from "./testing/fixture.ts";

const tray = tokenTray();
let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture({
    keepToken: tray.handler,
  });
});
afterAll(() => fixture.close());

describe("task tokens", () => {
  it("that were never issued are InvalidToken", async () => {
    await expect(fixture.beat("nonsense")).rejects.toMatchObject({ name: "InvalidToken" });
  });

  it("of an unknown execution are TaskDoesNotExist", async () => {
    const token = `task1.${"0".repeat(32)}.1.${"A".repeat(24)}`;
    await expect(fixture.beat(token)).rejects.toMatchObject({ name: "TaskDoesNotExist" });
  });

  it("that were used, or guessed, or belong to an ended execution are TaskTimedOut", async () => {
    const states = { A: waitForToken("keepToken", { Next: "B" }), B: waitForToken("keepToken") };
    const arn = await fixture.start(await fixture.create(machine(states)));
    const timedOut = { name: "TaskTimedOut" };
    const first = await tray.next();
    await fixture.succeed(first, 1);
    const second = await tray.next();
    await expect(fixture.succeed(first, 1)).rejects.toMatchObject(timedOut);
    const guessed = `${second.slice(0, -24)}${"A".repeat(24)}`;
    await expect(fixture.succeed(guessed, 1)).rejects.toMatchObject(timedOut);
    await fixture.succeed(second, 2);
    await fixture.ended(arn);
    await expect(fixture.fail(second, "E", "c")).rejects.toMatchObject(timedOut);
  });

  it("refuse output that is not JSON", async () => {
    const command = new SendTaskSuccessCommand({ taskToken: "t", output: "{" });
    await expect(fixture.client.send(command)).rejects.toMatchObject({ name: "InvalidOutput" });
  });
});
