import { type Draft, flag, noted, type OptionRule, withValue } from "./draft.ts";
import { optionMap } from "./option-text.ts";

const OWN = "the agent starts QEMU with its own";
const HOW_STARTED = "how the process was started is not part of the guest";

/** Options about the process and its manager. */
export const managerRules: Readonly<Record<string, OptionRule>> = {
  qmp: noted("value", "replaced", "the agent has a monitor of its own"),
  "qmp-pretty": noted("value", "replaced", "the agent has a monitor of its own"),
  monitor: noted("value", "replaced", "the agent has a monitor of its own"),
  mon: withValue((draft, value, option) => {
    const chardev = optionMap(value, "chardev").get("chardev");
    if (chardev !== undefined) draft.monitorChardevs.add(chardev);
    draft.note("replaced", option, "the agent has a monitor of its own");
  }),
  name: noted("value", "replaced", "the VM's name takes its place"),
  pidfile: noted("value", "replaced", OWN),
  daemonize: noted("nothing", "replaced", OWN),
  D: noted("value", "replaced", OWN),
  d: noted("value", "replaced", OWN),
  trace: noted("value", "replaced", OWN),
  msg: noted("value", "replaced", OWN),
  sandbox: noted("value", "replaced", "the agent uses QEMU's sandbox where it can"),
  runas: noted("value", "lost", "QEMU runs as the agent's user"),
  "run-with": noted("value", "lost", "QEMU runs as the agent's user, and in no root of its own"),
  chroot: noted("value", "lost", "QEMU runs in no root of its own"),
  S: noted("nothing", "replaced", "the record says whether the guest runs"),
  incoming: noted("value", "replaced", HOW_STARTED),
  "no-user-config": noted("nothing", "replaced", OWN),
  nodefaults: flag((draft) => {
    draft.defaults.all = false;
  }),
  // Of Proxmox's QEMU: the number of the VM.
  id: noted("value", "replaced", "the VM's name takes its place"),
  L: noted("value", "lost", "QEMU looks for its own files in the folder of its build"),
  k: noted("value", "lost", "the keyboard's layout of VNC clients without key codes is QEMU's own"),
  "only-migratable": noted("nothing", "replaced", "negotiation looks for what cannot move"),
  iscsi: withValue(readIscsi),
  audiodev: withValue((draft, value, option) => {
    if (/"driver": *"none"|^(driver=)?none\b/.test(value)) return;
    draft.note("lost", option, "a definition has no sound of the host");
  }),
  audio: noted("value", "lost", "a definition has no sound of the host"),
  spice: noted("value", "lost", "a definition has no SPICE"),
  fw_cfg: noted("value", "lost", "a definition has no files for the firmware"),
  fsdev: noted("value", "lost", "QEMU cannot migrate a guest with a 9p folder"),
  virtfs: noted("value", "lost", "QEMU cannot migrate a guest with a 9p folder"),
  loadvm: noted("value", "lost", "the guest's state of a snapshot is not part of a definition"),
  snapshot: noted("nothing", "lost", "what the guest writes went to a temporary file"),
  "add-fd": noted("value", "unknown", "a file that another process has opened: give its path"),
  gdb: noted("value", "lost", "a definition has no debugger"),
  s: noted("nothing", "lost", "a definition has no debugger"),
  qtest: noted("value", "lost", "a definition has no test protocol"),
  compat: noted("value", "replaced", "what QEMU does about old options is its own default"),
};

function readIscsi(draft: Draft, value: string, option: string): void {
  const keys = [...optionMap(value).keys()];
  const outcome = keys.every((key) => key === "initiator-name") ? "replaced" : "lost";
  draft.note(outcome, option, "it counts for disks by iSCSI only, which say it themselves");
}
