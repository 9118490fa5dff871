import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

type LateBeats = { tokens: string[]; on: () => Promise<unknown> };
export type Ended = { token: string; ok: boolean; error?: string; cause?: string };

/**
 * The operations of Step Functions and Lambda that functions call, over their wire protocols. A token
 * can be completed once; the second time is answered `TaskTimedOut`. Other operations are refused. The
 * stub only records calls: emulators/asl is the whole engine.
 */
export async function startStub(invoke: (payload: unknown) => Promise<unknown>) {
  const ended: Ended[] = [];
  const outputs = new Map<string, unknown>();
  const beats: string[] = [];
  const late: LateBeats = { tokens: [], on: async () => undefined };
  const executions = new Map<string, string>();
  const refused = { starts: 0, invokes: 0 };
  const stopped = new Set<string>();
  const operations: Record<string, (input: Record<string, string>) => object | Promise<object>> = {
    StartExecution: ({ name = "", input = "" }) => {
      if (refused.starts > 0) {
        refused.starts -= 1;
        throw new Refusal("AccessDeniedException");
      }
      const before = executions.get(name);
      if (before !== undefined && before !== input) throw new Refusal("ExecutionAlreadyExists");
      executions.set(name, input);
      return { executionArn: `arn:${name}`, startDate: Date.now() / 1000 };
    },
    DescribeExecution: ({ executionArn = "" }) => {
      const name = executionArn.split(":").at(-1) ?? "";
      if (!executions.has(name)) throw new Refusal("ExecutionDoesNotExist");
      return { executionArn, status: stopped.has(name) ? "ABORTED" : "RUNNING" };
    },
    SendTaskSuccess: ({ taskToken = "", output = "" }) => {
      const answer = end({ token: taskToken, ok: true });
      outputs.set(taskToken, JSON.parse(output));
      return answer;
    },
    SendTaskFailure: ({ taskToken = "", error = "", cause = "" }) =>
      end({ token: taskToken, ok: false, error, cause }),
    SendTaskHeartbeat: async ({ taskToken = "" }) => {
      if (hasEnded(taskToken)) {
        late.tokens.push(taskToken);
        await late.on();
      }
      open(taskToken);
      beats.push(taskToken);
      return {};
    },
  };
  const hasEnded = (token: string) => ended.some((one) => one.token === token);
  const open = (token: string) => {
    if (hasEnded(token)) throw new Refusal("TaskTimedOut");
  };
  const end = (one: Ended) => {
    open(one.token);
    ended.push(one);
    return {};
  };
  const invokeUnlessRefused = (body: unknown) => {
    if (refused.invokes === 0) return invoke(body);
    refused.invokes -= 1;
    throw new Refusal("TooManyRequestsException");
  };
  const server = createServer(async (request, response) => {
    try {
      const body: unknown = JSON.parse(await textOf(request));
      const operation = String(request.headers["x-amz-target"] ?? "").split(".")[1];
      const answer =
        operation === undefined
          ? await invokeUnlessRefused(body)
          : await (operations[operation] ?? unknown(operation))(body as Record<string, string>);
      response.setHeader("content-type", "application/x-amz-json-1.0");
      response.end(JSON.stringify(answer));
    } catch (error) {
      const type = error instanceof Refusal ? error.message : "InternalServerException";
      response.statusCode = error instanceof Refusal ? 400 : 500;
      response.end(JSON.stringify({ __type: type, message: String(error) }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Tokens in the order in which they were ended, each once. */
    ended,
    /** Outputs of the tokens that succeeded. */
    outputs,
    beats,
    /** Heartbeats for tokens that had ended: which, and what happens before the answer. */
    late,
    /** Input of each started execution by its name. */
    executions,
    /** Names of executions that have been stopped. */
    stopped,
    /** How many of the next calls of StartExecution, and of Lambda, are refused. */
    refused,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Refusal extends Error {}

function unknown(operation: string): never {
  throw new Error(`The stub does not know ${operation}`);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
