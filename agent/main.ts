import { Command } from "commander";
import { Agent } from "./agent.ts";
import { checkHost } from "./check/check.ts";
import { findingLines } from "./check/finding.ts";
import { readConfig } from "./runtime/config.ts";
import { createLog } from "./runtime/log.ts";
import { AGENT_VERSION } from "./runtime/version.ts";

const SUPERSEDED =
  "another agent has registered with this host's key: this one ends, its guests go on running; run one agent for each host";
const CONFIG = "/etc/switchyard/agent.json";

type Options = { readonly config: string };

const program = new Command("switchyard-agent")
  .description("Runs on each host: starts and adopts QEMU guests and migrates them")
  .version(AGENT_VERSION);

withConfig(program.command("run", { isDefault: true }))
  .description("run the agent until SIGTERM or SIGINT")
  .addHelpText(
    "after",
    "\nSIGTERM or SIGINT stops the agent. Its guests go on running; the next start reattaches them.",
  )
  .action(({ config }: Options) => run(config));

withConfig(program.command("check"))
  .description("look at what the agent needs on this host, and say how to cure what is wrong")
  .option("--json", "one JSON object: ok, and the findings")
  .addHelpText(
    "after",
    "\nChanges nothing, and may be run beside the agent, as its user and in its environment.\n" +
      "Exit status: 0 when nothing is wrong (there may be warnings), 1 otherwise.",
  )
  .action(({ config, json }: Options & { json?: true }) => check(config, json === true));

await program.parseAsync();

function withConfig(command: Command): Command {
  const words = "configuration file (JSON; see docs/operate/install.md)";
  return command.option("-c, --config <file>", words, CONFIG);
}

async function check(config: string, isJson: boolean): Promise<void> {
  const findings = await checkHost(config);
  const isOk = findings.every(({ level }) => level !== "wrong");
  if (isJson) console.log(JSON.stringify({ ok: isOk, findings }, null, 2));
  else for (const line of findingLines(findings)) console.log(line);
  process.exitCode = isOk ? 0 : 1;
}

async function run(config: string): Promise<void> {
  const log = createLog("switchyard-agent");
  const stop = async (agent: Agent) => {
    try {
      await agent.stop();
      process.exit(0);
    } catch (error) {
      log.fatal({ error }, "the agent did not stop cleanly");
      process.exit(1);
    }
  };
  try {
    const agent = new Agent(readConfig(config), log);
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
}
