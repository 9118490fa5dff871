import { CreateStateMachineCommand } from "@aws-sdk/client-sfn";
import { evacuationTasks } from "../../../core/evacuation/tasks.ts";
import { migrationTasks } from "../../../core/migration/tasks.ts";
import { startStepFunctions } from "../../../emulators/asl/server.ts";
import { functionRegistry } from "../../../emulators/aws/lambda/registry.ts";
import { handler as agentEvents } from "../../../functions/agent-events/index.ts";
import { overrideTransport, stepFunctions } from "../../../functions/runtime/clients.ts";
import { evacuationHandlers, taskHandlers } from "../../../functions/task/tasks.ts";
import { refsOf } from "../../../workflows/asl.ts";
import { evacuationDefinition } from "../../../workflows/evacuation.ts";
import { migrationDefinition } from "../../../workflows/migration.ts";
import { startTestCloud } from "../../functions/testing/cloud.ts";
import { invokeTransport } from "./invoke-transport.ts";
import type { SkippingClock } from "./skipping-clock.ts";
import type { WorkInFlight } from "./work-in-flight.ts";

const ACCOUNT = { region: "eu-central-1", accountId: "123456789012" };

export type Handler = (event: unknown) => Promise<unknown>;

const handlers: Record<string, Handler> = {
  ...taskHandlers,
  ...evacuationHandlers,
  "agent-events": agentEvents,
};

/**
 * The real functions and workflows on the local services, in this process.
 *
 * @param call makes each call of a function, or does something else
 */
export async function startControlPlane(
  clock: SkippingClock,
  work: WorkInFlight,
  call: (name: string, handler: Handler, event: unknown) => Promise<unknown>,
) {
  const cloud = await startTestCloud();
  const registry = functionRegistry({ ...ACCOUNT, clock });
  for (const [name, handler] of Object.entries(handlers)) {
    registry.register(name, (event) => work.during(() => call(name, handler, event)));
  }
  const startSfn = () => startStepFunctions({ ...ACCOUNT, clock, invoke: registry.invoke });
  let sfn = await startSfn();
  process.env.AWS_ENDPOINT_URL_SFN = sfn.endpoint;
  overrideTransport("DYNAMODB", work.counting(cloud.transports.DYNAMODB));
  overrideTransport("SQS", work.counting(cloud.transports.SQS));
  const toSfn = work.counting({ handle: (request) => sfn.transport.handle(request) });
  overrideTransport("SFN", toSfn);
  overrideTransport("LAMBDA", work.counting(invokeTransport(registry)));
  await createStateMachines();
  return {
    scan: cloud.scan,
    close: async () => {
      await sfn.close();
      await cloud.close();
    },
    /** Step Functions starts again and knows no execution. */
    forget: async () => {
      await sfn.close();
      sfn = await startSfn();
      await createStateMachines();
    },
  };
}

async function createStateMachines(): Promise<void> {
  const arn = (name: string) =>
    `arn:aws:lambda:${ACCOUNT.region}:${ACCOUNT.accountId}:function:${name}`;
  const roleArn = `arn:aws:iam::${ACCOUNT.accountId}:role/test`;
  const machines = {
    migration: migrationDefinition(refsOf(migrationTasks, arn)),
    evacuation: evacuationDefinition(refsOf(evacuationTasks, arn)),
  };
  for (const [name, machine] of Object.entries(machines)) {
    const definition = JSON.stringify(machine);
    await stepFunctions().send(new CreateStateMachineCommand({ name, roleArn, definition }));
  }
}
