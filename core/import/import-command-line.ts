import { VmDefinition } from "../vm.ts";
import { channelRules, finishScreen } from "./channel-options.ts";
import { addDefaultDevices } from "./default-devices.ts";
import { Draft, type OptionRule } from "./draft.ts";
import { driveRules, placeDrives, readImage } from "./drive-options.ts";
import { ImportError } from "./import-error.ts";
import { finishMemory, machineRules } from "./machine-options.ts";
import { managerRules } from "./manager-options.ts";
import { finishNetworks, networkRules } from "./network-options.ts";
import type { ImportNote } from "./note.ts";
import { dropMonitorChardevs, partRules } from "./part-options.ts";
import { shellCommands } from "./shell-words.ts";

export type Imported = {
  readonly definition: VmDefinition;
  /** What became of each option that the definition does not have as it was given. */
  readonly notes: readonly ImportNote[];
};

const MIB = 2 ** 20;
/** QEMU's own, for the boards `pc` and `q35`. */
const DEFAULT_MEMORY_BYTES = 128 * MIB;
const BINARY = /^(qemu-system-[A-Za-z0-9_-]+|qemu-kvm|kvm|qemu)$/;
const OPTIONS_MAX = 2_000;

const rules = new Map<string, OptionRule>(
  [machineRules, partRules, networkRules, driveRules, channelRules, managerRules].flatMap((group) =>
    Object.entries(group),
  ),
);

/** Options that make a definition of the rest of the command line wrong, with the way that works. */
const refused: Readonly<Record<string, string>> = {
  readconfig: 'give the sections of the file as options: `[device "a"]` is `-device …,id=a`',
  set: "give the property in the option of its part",
  writeconfig: "leave it out: QEMU ends after it",
  plugin: "a guest with a TCG plugin does not run the same on each host",
};

/**
 * Makes a definition of a command line of QEMU, as a shell script has it, `qm showcmd` (Proxmox) or
 * `virsh domxml-to-native` prints it. Nothing is run or opened.
 *
 * @param text commands of a POSIX shell, one of which is QEMU
 *
 * @throws ImportError when no definition can be made of it: with the cause and what to do
 */
export function importCommandLine(text: string): Imported {
  const found = shellCommands(text).flatMap((words) => {
    const at = words.findIndex((word) => BINARY.test(baseName(word)));
    return at < 0 ? [] : [{ prefix: words.slice(0, at), argv: words.slice(at + 1) }];
  });
  const [command, ...more] = found;
  if (command === undefined) {
    throw new ImportError("Expected a command of QEMU (qemu-system-x86_64, kvm…), found none");
  }
  if (more.length > 0) {
    throw new ImportError(
      `Expected one command of QEMU, found ${found.length}: give one at a time`,
    );
  }
  const { definition, notes, guesses } = read(command.argv, { prefix: command.prefix });
  return { definition, notes: [...notes, ...guesses] };
}

/**
 * As {@link importCommandLine}, from the arguments of a process that runs, without the name of the
 * program. What its QMP shows better is no note: formats of images, the accelerator, parts that a file
 * of options has.
 *
 * @throws ImportError
 */
export function importProcess(argv: readonly string[]): Imported {
  const { definition, notes } = read(argv, { isRunning: true });
  return { definition, notes };
}

type ReadOptions = { readonly prefix?: readonly string[]; readonly isRunning?: boolean };

function read(argv: readonly string[], { prefix = [], isRunning = false }: ReadOptions) {
  const draft = new Draft();
  if (prefix.length > 0) {
    const reason = "how the process was started is not part of the guest";
    draft.note("replaced", prefix.join(" "), reason);
  }
  readOptions(draft, argv, isRunning);
  return { definition: finish(draft), notes: draft.notes, guesses: draft.guesses };
}

function readOptions(draft: Draft, argv: readonly string[], isRunning: boolean): void {
  if (argv.length > OPTIONS_MAX) {
    throw new ImportError(`Expected at most ${OPTIONS_MAX} words, got ${argv.length}`);
  }
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (!word.startsWith("-") || word === "-") {
      readImage(draft, word);
      continue;
    }
    const name = word.replace(/^--?/, "");
    const cure = refused[name];
    if (name === "readconfig" && isRunning) {
      draft.note(
        "replaced",
        `-${name} ${argv[at + 1]}`,
        "its parts are read from the running QEMU",
      );
      at += 1;
      continue;
    }
    if (cure !== undefined) throw new ImportError(`-${name} cannot be imported: ${cure}`);
    const rule = rules.get(name);
    const next = argv[at + 1];
    const hasValue = rule === undefined ? next?.startsWith("-") === false : rule.takes === "value";
    if (hasValue && next === undefined) {
      throw new ImportError(`Expected a value of -${name}, got the end of the command line`);
    }
    const value = hasValue ? (next ?? "") : "";
    if (hasValue) at += 1;
    const option = hasValue ? `-${name} ${value}` : `-${name}`;
    if (rule === undefined) draft.note("unknown", option, "an option that is not read here");
    else readOption(draft, rule, value, option);
  }
}

function readOption(draft: Draft, rule: OptionRule, value: string, option: string): void {
  try {
    rule.read(draft, value, option);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new ImportError(`Expected valid JSON in ${option.slice(0, 200)}: ${cause.message}`, {
      cause,
    });
  }
}

function finish(draft: Draft): VmDefinition {
  dropMonitorChardevs(draft);
  placeDrives(draft);
  addDefaultDevices(draft);
  finishNetworks(draft);
  finishScreen(draft);
  draft.fields.memoryBytes ??= DEFAULT_MEMORY_BYTES;
  finishMemory(draft);
  const parsed = VmDefinition.safeParse(definitionOf(draft));
  if (!parsed.success) throw notValid(parsed.error.issues, draft);
  return parsed.data;
}

function definitionOf(draft: Draft): Record<string, unknown> {
  const { machineOptions, acceleratorOptions, chardevs, netdevs, smbios, numa, serials } = draft;
  return {
    ...draft.fields,
    ...whereAny({ machineOptions, acceleratorOptions, chardevs, netdevs, smbios, numa }),
    serials,
    blockdevs: draft.blockdevs,
    devices: draft.allDevices,
    objects: draft.objects,
    globals: draft.globals,
  };
}

function whereAny(fields: Readonly<Record<string, object>>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => Object.keys(value).length > 0),
  );
}

const ISSUES_SHOWN = 5;

function notValid(
  issues: readonly { path: PropertyKey[]; message: string }[],
  { notes, guesses }: Draft,
): ImportError {
  const shown = issues.slice(0, ISSUES_SHOWN).map(({ path, message }) => {
    return `${path.map(String).join(".")}: ${message}`;
  });
  const unknown = [...notes, ...guesses].filter(({ outcome }) => outcome === "unknown");
  const more = unknown.map(({ option, reason }) => `${option}: ${reason}`).slice(0, ISSUES_SHOWN);
  return new ImportError(
    `The command line makes no valid definition: ${[...shown, ...more].join("; ")}`,
  );
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
