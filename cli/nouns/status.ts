import type { Verb } from "../verb.ts";
import { CLI_VERSION } from "../version.ts";

export const status: Verb = {
  name: "status",
  summary: "Say which control plane this is, whether it works, and what needs a person",
  operations: ["getHealth", "getFleet"],
  details: "Exit 7: the state of a VM is unknown, and a person must look.",
  run: async ({ api, output }) => {
    await api.getHealth();
    const { hosts, migrations } = await api.getFleet();
    const silent = hosts.filter(({ state }) => state === "silent").map(({ id }) => id);
    const joining = hosts.filter(({ state }) => state === "joining").length;
    const unknown = migrations.filter((one) => one.status === "unknown");
    const shown = {
      url: api.url,
      version: CLI_VERSION,
      hosts: hosts.length,
      joining,
      vms: hosts.reduce((sum, { vms }) => sum + vms, 0),
      running: migrations.filter((one) => one.status === "running").length,
      silent,
      unknown: unknown.map(({ vm }) => vm),
    };
    const red = [
      ...shown.unknown.map((vm) => `! ${vm} (unknown)`),
      ...silent.map((host) => `! ${host} (silent)`),
    ];
    output.object(shown, api.url, [
      ["control plane", `${api.url}, works`],
      ["command line", `switchyard ${CLI_VERSION}`],
      ["hosts", `${hosts.length}${joining > 0 ? `, ${joining} without an agent yet` : ""}`],
      ["vms", String(shown.vms)],
      ["moving", String(shown.running)],
      ["needs a person", red.length === 0 ? "nothing" : red.join(", ")],
    ]);
    for (const { vm } of unknown)
      output.note(`look at both hosts, then: switchyard vm reconcile ${vm}`);
    for (const host of silent)
      output.note(`see whether ${host} and its agent run; its guests run on`);
    return unknown.length > 0 ? "unknown" : undefined;
  },
};
