import { atLeast } from "../catalog/version.ts";
import type { Qemu } from "../qemu.ts";
import { type Commands, QmpError } from "../qmp/command.ts";
import type { JsonObject } from "../qmp/text.ts";
import { showMachine } from "./machine-tree.ts";

const trace = { name: { type: "str" } } as const;

/** Trace events, and the few commands of the human monitor that are of use here. */
export const tracingCommands: Commands = {
  "trace-event-get-state": {
    arguments: { ...trace, vcpu: { type: "int", optional: true } },
    run: (qemu, { name }) =>
      find(qemu, String(name)).map((event) => ({
        name: event.name,
        ...(atLeast(qemu.version, "8.0") ? {} : { vcpu: false }),
        state: event.isOn ? "enabled" : "disabled",
      })),
  },
  "trace-event-set-state": {
    arguments: {
      ...trace,
      enable: { type: "bool" },
      "ignore-unavailable": { type: "bool", optional: true },
      vcpu: { type: "int", optional: true },
    },
    run(qemu, { name, enable }) {
      find(qemu, String(name));
      qemu.trace.enable(String(name), enable === true);
      return {};
    },
  },
  "human-monitor-command": {
    arguments: { "command-line": { type: "str" }, "cpu-index": { type: "int", optional: true } },
    run: humanMonitor,
  },
};

function find(qemu: Qemu, name: string): ReturnType<Qemu["trace"]["match"]> {
  const events = qemu.trace.match(name);
  if (events.length === 0 && !name.includes("*")) throw new QmpError(`unknown event "${name}"`);
  return events;
}

function humanMonitor(qemu: Qemu, given: JsonObject): string {
  const [word, ...rest] = String(given["command-line"]).trim().split(/\s+/);
  if (word === "logfile") {
    qemu.trace.redirect(rest.join(" "));
    return "";
  }
  if (word === "info" && rest[0] === "status") {
    const { runState } = qemu;
    const state =
      runState === "running"
        ? "running"
        : runState === "paused"
          ? "paused"
          : `paused (${runState})`;
    return `VM status: ${state}\r\n`;
  }
  const shown = word === "info" ? showMachine(qemu, rest[0]) : undefined;
  return shown ?? `unknown command: '${word}'\r\n`;
}
