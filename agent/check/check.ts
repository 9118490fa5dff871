import type { AgentConfig } from "../runtime/config.ts";
import { readConfig } from "../runtime/config.ts";
import { checkControlPlane } from "./check-control-plane.ts";
import { checkFolders } from "./check-folders.ts";
import { checkMachine, readMachine } from "./check-machine.ts";
import { checkNetwork } from "./check-network.ts";
import { checkPrograms } from "./check-programs.ts";
import { checkQemu } from "./check-qemu.ts";
import { checkUnits } from "./check-units.ts";
import { type Finding, messageOf, ok, subjects, wrong } from "./finding.ts";

/**
 * Looks at everything that an agent with this configuration needs, also beside one that runs. Nothing
 * is changed.
 */
export async function checkHost(path: string): Promise<Finding[]> {
  let config: AgentConfig;
  try {
    config = readConfig(path);
  } catch (error) {
    return [wrong("config", messageOf(error), "correct it: docs/operate/install.md")];
  }
  const findings = await Promise.all([
    [ok("config", `${path}, host ${config.host}`)],
    checkQemu(config),
    checkMachine(readMachine(config), config),
    checkFolders(config),
    checkPrograms(config),
    checkUnits(config),
    checkNetwork(config),
    checkControlPlane(config),
  ]);
  const order = (finding: Finding) => subjects.indexOf(finding.subject);
  return findings.flat().toSorted((a, b) => order(a) - order(b));
}
