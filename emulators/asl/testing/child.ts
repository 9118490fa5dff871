// Step Functions in a process of their own, to be killed: run as `node child.ts <folder>`.
// Functions append what they were given to <folder>/calls, one JSON value per line.
import { appendFileSync, existsSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { functionRegistry } from "../../aws/lambda/registry.ts";
import { startStepFunctions } from "../server.ts";

const folder = String(process.argv[2]);
const note = (name: string, event: unknown) =>
  appendFileSync(join(folder, "calls"), `${JSON.stringify({ name, event })}\n`);

const registry = functionRegistry();
registry.register("echo", async (event) => {
  note("echo", event);
  return event;
});
registry.register("keepToken", async (event) => note("keepToken", event));
registry.register("hangUntilHealed", async (event) => {
  note("hangUntilHealed", event);
  if (!existsSync(join(folder, "healed"))) await new Promise(() => {});
  return "answered";
});
registry.register("failUntilHealed", async (event) => {
  note("failUntilHealed", event);
  if (!existsSync(join(folder, "healed"))) throw new Error("not yet");
  return "healed";
});

const { endpoint } = await startStepFunctions({
  invoke: (name, payload, signal) => registry.invoke(name, payload, signal),
  dataDir: join(folder, "data"),
});
// Killed by each test, it would never write what it has compiled, if NODE_COMPILE_CACHE names a folder.
flushCompileCache();
console.log(endpoint);
