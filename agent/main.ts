import { Command } from "commander";
import { Agent } from "./agent.ts";
import { readConfig } from "./runtime/config.ts";
import { createLog } from "./runtime/log.ts";
import { AGENT_VERSION } from "./runtime/version.ts";

const program = new Command("switchyard-agent")
  .description("Runs on each host: starts and adopts QEMU guests and migrates them")
  .version(AGENT_VERSION)
  .requiredOption("-c, --config <file>", "configuration file (JSON; see docs/operate/install.md)")
  .addHelpText(
    "after",
    "\nSIGTERM or SIGINT stops the agent. Its guests go on running; the next start reattaches them.",
  )
  .parse();

const SUPERSEDED =
  "another agent has registered with this host's key: this one ends, its guests go on running; run one agent for each host";
const log = createLog("switchyard-agent");
try {
  const agent = new Agent(readConfig(program.opts<{ config: string }>().config), log);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void stop(agent));
  }
  void agent.superseded.catch(async (error: unknown) => {
    log.fatal({ error }, SUPERSEDED);
    await agent.stop().catch(() => undefined);
    process.exit(1);
  });
  await agent.start();
} catch (error) {
  log.fatal({ error }, error instanceof Error ? error.message : String(error));
  process.exit(1);
}

async function stop(agent: Agent): Promise<void> {
  try {
    await agent.stop();
    process.exit(0);
  } catch (error) {
    log.fatal({ error }, "the agent did not stop cleanly");
    process.exit(1);
  }
}
