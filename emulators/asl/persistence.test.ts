import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { RedriveExecutionCommand } from "@aws-sdk/client-sfn";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startStepFunctions } from "./server.ts";
import {
  connect,
  type Fixture,
  invoke,
  machine,
  outputOf,
  waitForToken,
} from "./testing/fixture.ts";

const CHILD = join(import.meta.dirname, "testing/child.ts");
const patience = { timeout: 15_000, interval: 20 };

let folder: string;
let child: ChildProcess | undefined;
let fixture: Fixture;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "step-functions-"));
  await startChild();
});

afterEach(async () => {
  await kill();
  await rm(folder, { recursive: true, force: true });
});

async function startChild(): Promise<void> {
  const started = spawn(process.execPath, [CHILD, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child = started;
  const [endpoint] = (await once(createInterface(started.stdout), "line")) as [string];
  fixture = connect(endpoint, async () => {});
}

async function kill(): Promise<void> {
  await fixture.close();
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function restart(): Promise<void> {
  await kill();
  await startChild();
}

function calls(name: string): unknown[] {
  const path = join(folder, "calls");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines
    .map((line) => JSON.parse(line) as { name: string; event: unknown })
    .filter((call) => call.name === name)
    .map((call) => call.event);
}

function called(name: string, times = 1): Promise<unknown[]> {
  return vi.waitFor(() => {
    expect(calls(name).length).toBeGreaterThanOrEqual(times);
    return calls(name);
  }, patience);
}

async function tokens(times = 1): Promise<string[]> {
  const events = (await called("keepToken", times)) as { token: string }[];
  return events.map(({ token }) => token);
}

async function entered(arn: string, type: string): Promise<void> {
  await vi.waitFor(async () => {
    expect((await fixture.events(arn)).map((event) => event.type)).toContain(type);
  }, patience);
}

function journals(): string[] {
  const executions = join(folder, "data/executions");
  return readdirSync(executions).map((name) => join(executions, name));
}

const heal = () => writeFileSync(join(folder, "healed"), "");

describe("after SIGKILL", () => {
  it("a token handed out before is accepted, and the function is not called again", async () => {
    const states = {
      Set: { Type: "Pass", Assign: { kept: { a: [1] } }, Next: "Wait" },
      Wait: waitForToken("keepToken", {
        Output: { result: "{% $states.result %}", kept: "{% $kept %}" },
        End: true,
      }),
    };
    const arn = await fixture.start(await fixture.create(machine(states)), { vm: 1 });
    const [token = ""] = await tokens();
    await entered(arn, "TaskSubmitted");
    await restart();
    await fixture.succeed(token, "yes");
    expect(outputOf(await fixture.ended(arn))).toEqual({ result: "yes", kept: { a: [1] } });
    expect(calls("keepToken")).toHaveLength(1);
    const ids = (await fixture.events(arn)).map(({ id }) => id);
    expect(ids).toEqual(ids.map((_, index) => index + 1));
  });

  it("a Wait continues by absolute time", async () => {
    const states = { W: { Type: "Wait", Seconds: 2, End: true } };
    const arn = await fixture.start(await fixture.create(machine(states)));
    await entered(arn, "WaitStateEntered");
    await restart();
    const { startDate, stopDate, status } = await fixture.ended(arn);
    expect(status).toBe("SUCCEEDED");
    expect(Number(stopDate) - Number(startDate)).toBeGreaterThanOrEqual(2000);
  });

  it("a Wait whose time has passed in the meantime ends at once", async () => {
    const states = { W: { Type: "Wait", Seconds: 1, End: true } };
    const arn = await fixture.start(await fixture.create(machine(states)));
    const { startDate } = await fixture.describe(arn);
    await entered(arn, "WaitStateEntered");
    await kill();
    await vi.waitFor(() => expect(Date.now() - Number(startDate)).toBeGreaterThan(1000), patience);
    await startChild();
    expect((await fixture.ended(arn)).status).toBe("SUCCEEDED");
  });

  it("a Parallel keeps the finished branches and continues the others", async () => {
    const states = {
      P: {
        Type: "Parallel",
        Branches: [
          { StartAt: "Echo", States: { Echo: invoke("echo", "done") } },
          { StartAt: "Token", States: { Token: waitForToken("keepToken") } },
          {
            StartAt: "Each",
            States: {
              Each: {
                Type: "Map",
                Items: ["x", "y"],
                ItemProcessor: { StartAt: "Item", States: { Item: waitForToken("keepToken") } },
                End: true,
              },
            },
          },
        ],
        End: true,
      },
    };
    const arn = await fixture.start(await fixture.create(machine(states)));
    const held = await tokens(3);
    await entered(arn, "TaskStateExited");
    await restart();
    for (const token of held) await fixture.succeed(token, "late");
    expect(outputOf(await fixture.ended(arn))).toEqual(["done", "late", ["late", "late"]]);
    expect(calls("echo")).toHaveLength(1);
  });

  it("a retry's backoff continues, and its attempts still count", async () => {
    const Retry = [{ ErrorEquals: ["States.ALL"], IntervalSeconds: 2, MaxAttempts: 1 }];
    const states = { A: invoke("failUntilHealed", {}, { Retry, End: true }) };
    const arn = await fixture.start(await fixture.create(machine(states)));
    await entered(arn, "TaskFailed");
    await restart();
    expect((await fixture.ended(arn)).status).toBe("FAILED");
    expect(calls("failUntilHealed")).toHaveLength(2);
  });

  it("a call without an answer is made again", async () => {
    const states = { A: invoke("hangUntilHealed", { vm: 1 }) };
    const arn = await fixture.start(await fixture.create(machine(states)));
    await called("hangUntilHealed");
    await kill();
    heal();
    await startChild();
    expect(outputOf(await fixture.ended(arn))).toBe("answered");
    expect(calls("hangUntilHealed")).toEqual([{ vm: 1 }, { vm: 1 }]);
  });

  it("nested executions and items of a distributed Map are not started twice", async () => {
    const inner = await fixture.create(machine({ T: waitForToken("keepToken") }));
    const states = {
      Both: {
        Type: "Parallel",
        Branches: [
          {
            StartAt: "Nested",
            States: {
              Nested: {
                Type: "Task",
                Resource: "arn:aws:states:::states:startExecution.sync:2",
                Arguments: { StateMachineArn: inner },
                Output: "{% $states.result.Output %}",
                End: true,
              },
            },
          },
          {
            StartAt: "Each",
            States: {
              Each: {
                Type: "Map",
                Label: "Each",
                Items: [1, 2],
                ItemProcessor: {
                  ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
                  StartAt: "Item",
                  States: { Item: waitForToken("keepToken") },
                },
                End: true,
              },
            },
          },
        ],
        End: true,
      },
    };
    const arn = await fixture.start(await fixture.create(machine(states)));
    const held = await tokens(3);
    await restart();
    for (const token of held) await fixture.succeed(token, "ok");
    expect(outputOf(await fixture.ended(arn))).toEqual(["ok", ["ok", "ok"]]);
  });

  it("an ended execution can be read and redriven", async () => {
    const states = {
      A: invoke("echo", 1, { Next: "B" }),
      B: invoke("failUntilHealed", {}),
    };
    const arn = await fixture.start(await fixture.create(machine(states)));
    expect((await fixture.ended(arn)).status).toBe("FAILED");
    const before = await fixture.events(arn);
    await restart();
    expect(await fixture.events(arn)).toEqual(before);
    heal();
    await fixture.client.send(new RedriveExecutionCommand({ executionArn: arn }));
    expect(outputOf(await fixture.ended(arn))).toBe("healed");
    expect(calls("echo")).toHaveLength(1);
  });
});

describe("files", () => {
  async function startWaiting(): Promise<{ arn: string; token: string }> {
    const arn = await fixture.start(
      await fixture.create(machine({ T: waitForToken("keepToken") })),
    );
    const [token = ""] = await tokens();
    await entered(arn, "TaskSubmitted");
    return { arn, token };
  }

  it("a last line that was cut off is dropped", async () => {
    const { arn, token } = await startWaiting();
    await kill();
    const [journal = ""] = journals();
    appendFileSync(journal, '{"header":{"status":"SUCC');
    await startChild();
    await fixture.succeed(token, "yes");
    await restart();
    expect(outputOf(await fixture.ended(arn))).toBe("yes");
  });

  it("a leftover of a write that was cut off is removed", async () => {
    const { arn, token } = await startWaiting();
    await kill();
    const leftover = join(folder, "data/machines.json.tmp");
    writeFileSync(leftover, "[{");
    writeFileSync(`${journals()[0]}.tmp`, "{");
    await startChild();
    expect(existsSync(leftover)).toBe(false);
    expect(journals().filter((path) => path.endsWith(".tmp"))).toEqual([]);
    await fixture.succeed(token, "yes");
    expect(outputOf(await fixture.ended(arn))).toBe("yes");
  });

  it("a damaged journal is named, and nothing is changed", async () => {
    await startWaiting();
    const [journal = ""] = journals();
    await kill();
    const text = `garbage\n${readFileSync(journal, "utf8")}`;
    writeFileSync(journal, text);
    const dataDir = join(folder, "data");
    const start = startStepFunctions({ invoke: async () => ({ payload: null }), dataDir });
    await expect(start).rejects.toThrow(`${journal} is damaged`);
    expect(readFileSync(journal, "utf8")).toBe(text);
  });

  it("a folder in use is refused to a second engine", async () => {
    const dataDir = join(folder, "data");
    const second = startStepFunctions({ invoke: async () => ({ payload: null }), dataDir });
    await expect(second).rejects.toThrow(`process ${child?.pid} uses it`);
  });
});
