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
    const joining = hosts.filter(({ state }) => state === "joining").length;
    const unknown = migrations.filter((one) => one.status === "unknown");
    const shown = {
      url: api.url,
      version: CLI_VERSION,
      hosts: hosts.length,
      joining,
      vms: hosts.reduce((sum, { vms }) => sum + vms, 0),
      running: migrations.filter((one) => one.status === "running").length,
      unknown: unknown.map(({ vm }) => vm),
    };
    output.object(shown, api.url, [
      ["control plane", `${api.url}, works`],
      ["command line", `switchyard ${CLI_VERSION}`],
      ["hosts", `${hosts.length}${joining > 0 ? `, ${joining} without an agent yet` : ""}`],
      ["vms", String(shown.vms)],
      ["moving", String(shown.running)],
      ["needs a person", unknown.length === 0 ? "nothing" : `! ${shown.unknown.join(" ")}`],
    ]);
    for (const { vm } of unknown)
      output.note(`look at both hosts, then: switchyard vm reconcile ${vm}`);
    return unknown.length > 0 ? "unknown" : undefined;
  },
};
