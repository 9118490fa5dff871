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

const log = createLog("switchyard-agent");
try {
  const agent = new Agent(readConfig(program.opts<{ config: string }>().config), log);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void stop(agent));
  }
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
