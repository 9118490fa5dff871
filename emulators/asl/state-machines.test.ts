import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DescribeStateMachineCommand,
  DescribeStateMachineForExecutionCommand,
  ListStateMachinesCommand,
  StopExecutionCommand,
  UpdateStateMachineCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Fixture,
  machine,
  outputOf,
  ROLE,
  startFixture,
  tokenTray,
  waitForToken,
} from "./testing/fixture.ts";

const tray = tokenTray();
let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture({
    keepToken: tray.handler,
  });
});
afterAll(() => fixture.close());

const waiting = machine({ W: { Type: "Wait", Seconds: 600, End: true } });
const passing = machine({ P: { Type: "Pass", End: true } });

describe("state machines", () => {
  const definition = JSON.stringify(passing);
  const create = (fields: object = {}) =>
    fixture.client.send(
      new CreateStateMachineCommand({ name: "named", roleArn: ROLE, definition, ...fields }),
    );

  it("are created once for the same name and definition", async () => {
    const first = await create();
    expect(await create({ roleArn: `${ROLE}2` })).toMatchObject({
      stateMachineArn: first.stateMachineArn,
      creationDate: first.creationDate,
    });
    await expect(create({ definition: JSON.stringify(waiting) })).rejects.toMatchObject({
      name: "StateMachineAlreadyExists",
    });
  });

  it.each([
    ["Express", { type: "EXPRESS" }, "at 'type'"],
    ["versions", { publish: true }, "at 'publish'"],
    ["tags", { tags: [{ key: "k", value: "v" }] }, "Member 'tags' is not supported"],
  ])("refuse %s", async (_what, fields, message) => {
    await expect(create({ name: "other", ...fields })).rejects.toMatchObject({
      name: "ValidationException",
      message: expect.stringContaining(message),
    });
  });

  it("are updated for later executions only", async () => {
    const arn = await fixture.create(machine({ T: waitForToken("keepToken") }));
    const execution = await fixture.start(arn);
    const token = await tray.next();
    await expect(
      fixture.client.send(new UpdateStateMachineCommand({ stateMachineArn: arn })),
    ).rejects.toMatchObject({ name: "MissingRequiredParameter" });
    const { revisionId } = await fixture.client.send(
      new UpdateStateMachineCommand({ stateMachineArn: arn, definition }),
    );
    const described = await fixture.client.send(
      new DescribeStateMachineCommand({ stateMachineArn: arn }),
    );
    expect(described).toMatchObject({ revisionId, definition, status: "ACTIVE", type: "STANDARD" });
    const own = await fixture.client.send(
      new DescribeStateMachineForExecutionCommand({ executionArn: execution }),
    );
    expect(own.definition).not.toBe(definition);
    await fixture.succeed(token, "old");
    expect(outputOf(await fixture.ended(execution))).toBe("old");
    expect(outputOf(await fixture.ended(await fixture.start(arn, "new")))).toBe("new");
  });

  it("are listed page by page", async () => {
    const created = [await fixture.create(passing), await fixture.create(passing)];
    const listed: (string | undefined)[] = [];
    let nextToken: string | undefined;
    do {
      const page = await fixture.client.send(
        new ListStateMachinesCommand({ maxResults: 1, nextToken }),
      );
      expect(page.stateMachines?.length).toBeLessThanOrEqual(1);
      listed.push(...(page.stateMachines ?? []).map((each) => each.stateMachineArn));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    expect(listed).toEqual(expect.arrayContaining(created));
    expect(new Set(listed).size).toBe(listed.length);
  });

  it("are deleted when their last execution has ended", async () => {
    const stateMachineArn = await fixture.create(waiting);
    const executionArn = await fixture.start(stateMachineArn);
    const describeMachine = new DescribeStateMachineCommand({ stateMachineArn });
    await fixture.client.send(new DeleteStateMachineCommand({ stateMachineArn }));
    expect((await fixture.client.send(describeMachine)).status).toBe("DELETING");
    await expect(fixture.start(stateMachineArn)).rejects.toMatchObject({
      name: "StateMachineDeleting",
    });
    await fixture.client.send(new StopExecutionCommand({ executionArn }));
    await expect(fixture.client.send(describeMachine)).rejects.toMatchObject({
      name: "StateMachineDoesNotExist",
    });
  });
});
