import { IMPORT_NOTES_MAX, type ImportNote, type ImportOutcome, importNote } from "./note.ts";

export type Part = Record<string, unknown>;

/** A disk of `-drive` and its shorthands, before it has a place. */
export type Drive = {
  readonly option: string;
  readonly interface: string;
  readonly id: string | undefined;
  readonly index: number | undefined;
  readonly bus: number | undefined;
  readonly unit: number | undefined;
  readonly isCdrom: boolean;
  /** Name of its block node; undefined without a medium. */
  readonly node: string | undefined;
  /** Properties of its device. */
  readonly device: Part;
};

/** A network of `-net` or `-nic`, or the default one. */
export type OldNetwork = { readonly option: string; readonly pairs: ReadonlyMap<string, string> };

/** What is known of a definition while its command line is read. */
export class Draft {
  /** Fields of the definition that are no lists. */
  readonly fields: Part = {};
  readonly machineOptions: Part = {};
  readonly acceleratorOptions: Part = {};
  readonly chardevs: Part[] = [];
  readonly netdevs: Part[] = [];
  readonly objects: Part[] = [];
  readonly blockdevs: Part[] = [];
  readonly smbios: Part[] = [];
  readonly numa: Part[] = [];
  readonly globals: string[] = [];
  readonly serials: ("log" | { chardev: string })[] = [];
  /** QEMU makes these in this order: boards first, then USB, options, drives, JSON options. */
  readonly devices = {
    board: [] as Part[],
    usb: [] as Part[],
    options: [] as Part[],
    drives: [] as Part[],
    json: [] as Part[],
  };
  readonly drives: Drive[] = [];
  readonly nets: OldNetwork[] = [];
  readonly nics: OldNetwork[] = [];
  /** Chardevs that only a monitor uses: the agent has its own. */
  readonly monitorChardevs = new Set<string>();
  readonly notes: ImportNote[] = [];
  /** What the text leaves open, and a running QEMU shows. */
  readonly guesses: ImportNote[] = [];
  /** What QEMU adds by itself, unless an option says otherwise. */
  readonly defaults = { all: true, serial: true, parallel: true, network: true };
  vga: string | undefined;

  note(outcome: ImportOutcome, option: string, reason: string): void {
    if (this.notes.length < IMPORT_NOTES_MAX) this.notes.push(importNote(outcome, option, reason));
  }

  /** Something that only the text leaves open: a running QEMU shows it. */
  guess(option: string, reason: string): void {
    if (this.guesses.length < IMPORT_NOTES_MAX) {
      this.guesses.push(importNote("unknown", option, reason));
    }
  }

  /** A name for a part that no other part has yet. */
  freeId(wanted: string): string {
    const parts = [this.chardevs, this.netdevs, this.objects, this.blockdevs].flat();
    const taken = new Set(parts.flatMap((part) => [part.id, part["node-name"]]));
    let name = wanted;
    for (let count = 1; taken.has(name); count += 1) name = `${wanted}-${count}`;
    return name;
  }

  get allDevices(): Part[] {
    const { board, usb, options, drives, json } = this.devices;
    return [...board, ...usb, ...options, ...drives, ...json];
  }
}

/** Reads one option's value into the draft. `option` is the option as it was given, for notes. */
export type ReadOption = (draft: Draft, value: string, option: string) => void;

export type OptionRule = {
  /** Whether the option has a value. */
  readonly takes: "value" | "nothing";
  readonly read: ReadOption;
};

export function withValue(read: ReadOption): OptionRule {
  return { takes: "value", read };
}

export function flag(read: (draft: Draft, option: string) => void): OptionRule {
  return { takes: "nothing", read: (draft, _, option) => read(draft, option) };
}

/** An option that becomes a note and nothing else. */
export function noted(
  takes: OptionRule["takes"],
  outcome: ImportOutcome,
  reason: string,
): OptionRule {
  return { takes, read: (draft, _, option) => draft.note(outcome, option, reason) };
}
