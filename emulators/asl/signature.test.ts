import { ListStateMachinesCommand, SFNClient } from "@aws-sdk/client-sfn";
import { afterEach, expect, it } from "vitest";
import { functionRegistry } from "../aws/lambda/registry.ts";
import { type StepFunctions, startStepFunctions } from "./server.ts";

const credentials = { accessKeyId: "known", secretAccessKey: "secret" };
const registry = functionRegistry();
let server: StepFunctions | undefined;

afterEach(async () => {
  await server?.close();
});

async function start(): Promise<StepFunctions> {
  server = await startStepFunctions({ invoke: registry.invoke, credentials });
  return server;
}

it("accepts its access key only", async () => {
  const { endpoint } = await start();
  const call = (by: typeof credentials) =>
    new SFNClient({ endpoint, region: "us-east-1", credentials: by, maxAttempts: 1 }).send(
      new ListStateMachinesCommand({}),
    );
  await expect(call(credentials)).resolves.toMatchObject({ stateMachines: [] });
  await expect(call({ ...credentials, accessKeyId: "other" })).rejects.toMatchObject({
    name: "UnrecognizedClientException",
  });
  await expect(call({ ...credentials, secretAccessKey: "other" })).rejects.toMatchObject({
    name: "InvalidSignatureException",
  });
});
