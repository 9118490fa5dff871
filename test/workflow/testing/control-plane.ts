import { CreateStateMachineCommand } from "@aws-sdk/client-sfn";
import type { FunctionName } from "../../../deployment/functions.ts";
import {
  type StateMachineDescription,
  type StateMachineName,
  stateMachineDescriptions,
} from "../../../deployment/state-machines.ts";
import { startStepFunctions } from "../../../emulators/asl/server.ts";
import type { InProcessTransport } from "../../../emulators/aws/aws-json/in-process-transport.ts";
import type { DynamodbOptions } from "../../../emulators/aws/dynamodb/dynamodb.ts";
import { functionRegistry } from "../../../emulators/aws/lambda/registry.ts";
import { startScheduler } from "../../../emulators/aws/scheduler/scheduler.ts";
import { handler as agentEvents } from "../../../functions/agent-events/index.ts";
import {
  overrideTransport,
  type Service,
  stepFunctions,
} from "../../../functions/runtime/clients.ts";
import { evacuationHandlers, taskHandlers, windowHandlers } from "../../../functions/task/tasks.ts";
import { startTestCloud } from "../../functions/testing/cloud.ts";
import { invokeTransport } from "./invoke-transport.ts";
import type { SkippingClock } from "./skipping-clock.ts";
import type { WorkInFlight } from "./work-in-flight.ts";

const ACCOUNT = { region: "eu-central-1", accountId: "123456789012" };

export type Handler = (event: unknown) => Promise<unknown>;

const handlers: Record<string, Handler> = {
  ...taskHandlers,
  ...evacuationHandlers,
  ...windowHandlers,
  "agent-events": agentEvents,
};

type Answering = Pick<InProcessTransport, "handle">;

type ControlPlaneOptions = {
  clock: SkippingClock;
  work: WorkInFlight;
  /** Makes each call of a function, or does something else. */
  call: (name: string, handler: Handler, event: unknown) => Promise<unknown>;
  /** Stands between the functions and a service, to count or to disturb. */
  observe?: (service: Service, transport: Answering) => Answering;
  machines?: Machines;
  /** Refuses calls of the table: see `DynamodbOptions`. */
  refuse?: DynamodbOptions["refuse"];
  /** Folder in which Step Functions keeps its executions; absent: they end with it. */
  dataDir?: string;
};

export type Machines = Readonly<Record<StateMachineName, StateMachineDescription>>;

/** The real functions and workflows on the local services, in this process. */
export async function startControlPlane({
  clock,
  work,
  call,
  observe = (_, transport) => transport,
  machines = stateMachineDescriptions,
  refuse,
  dataDir,
}: ControlPlaneOptions) {
  const cloud = await startTestCloud(refuse === undefined ? {} : { refuse });
  const registry = functionRegistry({ ...ACCOUNT, clock });
  for (const [name, handler] of Object.entries(handlers)) {
    registry.register(name, (event) => work.during(() => call(name, handler, event)));
  }
  const kept = dataDir === undefined ? {} : { dataDir };
  const startSfn = () =>
    startStepFunctions({ ...ACCOUNT, ...kept, clock, invoke: registry.invoke });
  let sfn = await startSfn();
  process.env.AWS_ENDPOINT_URL_SFN = sfn.endpoint;
  const engine = await startScheduler({ clock, invoke: registry.invoke });
  process.env.AWS_ENDPOINT_URL_SCHEDULER = engine.endpoint;
  const use = (service: Service, transport: Answering) =>
    overrideTransport(service, work.counting(observe(service, transport)));
  use("DYNAMODB", cloud.transports.DYNAMODB);
  use("SQS", cloud.transports.SQS);
  use("SFN", { handle: (request) => sfn.transport.handle(request) });
  use("LAMBDA", invokeTransport(registry));
  await createStateMachines(machines);
  return {
    scan: cloud.scan,
    close: async () => {
      await engine.close();
      await sfn.close();
      await cloud.close();
    },
    /** Ends Step Functions. Until it is started again nothing happens but what hosts do. */
    stop: () => sfn.close(),
    /** With what its folder has. */
    start: async () => {
      sfn = await startSfn();
    },
    /** Step Functions starts again and knows no execution. */
    forget: async () => {
      await sfn.close();
      sfn = await startSfn();
      await createStateMachines(machines);
    },
  };
}

async function createStateMachines(machines: Machines): Promise<void> {
  const arn = (name: FunctionName) =>
    `arn:aws:lambda:${ACCOUNT.region}:${ACCOUNT.accountId}:function:${name}`;
  const roleArn = `arn:aws:iam::${ACCOUNT.accountId}:role/test`;
  for (const [name, machine] of Object.entries(machines)) {
    const definition = JSON.stringify(machine.definition(arn));
    await stepFunctions().send(new CreateStateMachineCommand({ name, roleArn, definition }));
  }
}
