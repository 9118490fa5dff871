import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { AgentConfig } from "../runtime/config.ts";
import { pathOf } from "../runtime/host-values.ts";
import { type Finding, messageOf, ok, wrong } from "./finding.ts";

/** What the agent runs, each with the package that has it. */
const always = { setpriv: "util-linux", timeout: "coreutils" };
const forTaps = { ip: "iproute2" };
const forVlans = { bridge: "iproute2" };

export function checkPrograms(config: AgentConfig): Finding[] {
  return [programs(config), resources(config), hooks(config)];
}

function programs(config: AgentConfig): Finding {
  const taps = Object.values(config.resources).filter(
    (value) => typeof value === "object" && value.type === "tap",
  );
  const needed = Object.entries({
    ...always,
    ...(taps.length > 0 ? forTaps : {}),
    ...(taps.some(({ vlan }) => vlan !== undefined) ? forVlans : {}),
  });
  const absent = needed.filter(([name]) => !isOnPath(name));
  if (absent.length === 0) return ok("programs", needed.map(([name]) => name).join(", "));
  const packages = [...new Set(absent.map(([, name]) => name))].join(" ");
  const found = `no ${absent.map(([name]) => name).join(", ")} on PATH`;
  return wrong("programs", found, `install ${packages}`);
}

/** Paths and bridges that the host's values name. */
function resources({ resources: values }: AgentConfig): Finding {
  const absent = Object.entries(values).flatMap(([name, value]) => {
    const bridge = typeof value === "object" && value.type === "tap" ? value.bridge : undefined;
    const path = bridge === undefined ? pathOf(value) : `/sys/class/net/${bridge}`;
    return path === undefined || existsSync(path) ? [] : [`${name} (${path})`];
  });
  const count = Object.keys(values).length;
  if (absent.length === 0) return ok("resources", count === 0 ? "none" : `all ${count} are there`);
  const found = `there is no ${absent.join(", ")}`;
  return wrong("resources", found, "make it, or correct `resources`: guests that name it fail");
}

function hooks({ hooks: configured }: AgentConfig): Finding {
  const names = Object.keys(configured);
  for (const [name, hook] of Object.entries(configured)) {
    if (hook === undefined) continue;
    const [path] = hook.command;
    try {
      accessSync(path, constants.X_OK);
      if (!statSync(path).isFile()) throw new Error(`${path} is no file`);
    } catch (error) {
      const cure = `chmod +x ${path}, or correct \`hooks.${name}\``;
      return wrong("hooks", messageOf(error), cure);
    }
  }
  return ok("hooks", names.length === 0 ? "none" : names.join(", "));
}

function isOnPath(name: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
