import { type Draft, flag, noted, type OptionRule, type Part, withValue } from "./draft.ts";
import { numbersOf, optionMap, optionPairs, sizeBytes, switchOf } from "./option-text.ts";

const MIB = 2 ** 20;
const ACCELERATORS = ["tcg", "kvm"];

/** Options about the board, its CPUs, its memory and its start. */
export const machineRules: Readonly<Record<string, OptionRule>> = {
  machine: withValue(readMachine),
  M: withValue(readMachine),
  accel: withValue(readAccelerator),
  "enable-kvm": flag((draft) => setAccelerator(draft, "kvm", "-enable-kvm")),
  cpu: withValue((draft, value) => {
    draft.fields.cpuModel = value;
  }),
  smp: withValue(readSmp),
  m: withValue(readMemory),
  "mem-path": withValue((draft, value) => {
    Object.assign(boardMemory(draft, "memory-backend-file"), { "mem-path": value });
  }),
  "mem-prealloc": flag((draft) => {
    boardMemory(draft, "memory-backend-ram").prealloc = true;
  }),
  numa: withValue(readNuma),
  uuid: withValue((draft, value) => {
    draft.fields.uuid = value;
  }),
  bios: withValue((draft, value, option) => {
    if (value.startsWith("/")) draft.fields.firmware = { bios: value };
    else draft.note("unknown", option, "a file of QEMU's data folder: give its absolute path");
  }),
  boot: withValue(readBoot),
  kernel: withValue((draft, value) => setKernel(draft, { path: value })),
  initrd: withValue((draft, value) => setKernel(draft, { initrd: value })),
  append: withValue((draft, value) => setKernel(draft, { append: value })),
  rtc: withValue((draft, value) => {
    draft.fields.rtc = Object.fromEntries(optionPairs(value));
  }),
  smbios: withValue(readSmbios),
  action: withValue((draft, value) => setActions(draft, Object.fromEntries(optionPairs(value)))),
  "no-reboot": flag((draft) => setActions(draft, { reboot: "shutdown" })),
  "no-shutdown": flag((draft) => setActions(draft, { shutdown: "pause" })),
  "watchdog-action": withValue((draft, value) => setActions(draft, { watchdog: value })),
  "no-acpi": flag((draft) => {
    draft.machineOptions.acpi = "off";
  }),
  "no-hpet": flag((draft) => {
    draft.machineOptions.hpet = "off";
  }),
  usb: flag((draft) => {
    draft.machineOptions.usb = "on";
  }),
  global: withValue(readGlobal),
  "no-fd-bootchk": flag((draft) => {
    draft.machineOptions["fd-bootchk"] = "off";
  }),
  overcommit: withValue((draft, value, option) => {
    const isOff = optionPairs(value).every(([, text]) => switchOf(text) === false);
    if (isOff) return;
    draft.note("lost", option, "a definition does not say how the host gives memory and CPUs");
  }),
  icount: noted("value", "lost", "a definition cannot count instructions for the clock"),
};

function readMachine(draft: Draft, value: string, option: string): void {
  for (const [key, text] of optionPairs(value, "type")) {
    if (key === "type") draft.fields.machine = text;
    else if (key === "accel") setAccelerator(draft, text, option);
    else if (key === "kernel-irqchip" || key === "kvm-shadow-mem") {
      draft.acceleratorOptions[key] = text;
    } else if (key === "memory-backend") setMemory(draft, { backend: text });
    else if (key === "pflash0") setFlash(draft, "code", text);
    else if (key === "pflash1") setFlash(draft, "nvram", text);
    else if (key === "kernel") setKernel(draft, { path: text });
    else if (key === "initrd") setKernel(draft, { initrd: text });
    else if (key === "append") setKernel(draft, { append: text });
    else if (key === "firmware") draft.fields.firmware = { bios: text };
    else if (/^(smp|memory|boot)\./.test(key) || ["dtb", "dumpdtb", "shim"].includes(key)) {
      draft.note("unknown", `-machine ${key}=${text}`, "say it by its own option");
    } else draft.machineOptions[key] = text;
  }
}

/** `kvm:tcg`: QEMU takes the first one that works. */
function setAccelerator(draft: Draft, names: string, option: string): void {
  const [first = "", ...more] = names.split(":");
  if (!ACCELERATORS.includes(first)) {
    draft.note("unknown", option, "expected the accelerator kvm or tcg");
    return;
  }
  // The first option counts; the others are for hosts without it.
  if (draft.fields.accelerator === undefined) draft.fields.accelerator = first;
  else more.push(first);
  if (more.length > 0 && !more.every((name) => name === draft.fields.accelerator)) {
    draft.guess(
      option,
      `several accelerators: QEMU took the first that worked, taken as ${draft.fields.accelerator}`,
    );
  }
}

function readAccelerator(draft: Draft, value: string, option: string): void {
  const before = draft.fields.accelerator;
  for (const [key, text] of optionPairs(value, "accel")) {
    if (key === "accel") setAccelerator(draft, text, option);
    else if (before === undefined) draft.acceleratorOptions[key] = text;
  }
}

const TOPOLOGY = ["sockets", "dies", "modules", "clusters", "cores", "threads"];

function readSmp(draft: Draft, value: string, option: string): void {
  const pairs = optionMap(value, "cpus");
  const topology: Record<string, number> = {};
  for (const [key, text] of pairs) {
    const count = Number(text);
    if (!Number.isInteger(count) || count < 1) draft.note("unknown", option, "expected numbers");
    else if (key === "cpus") draft.fields.cpus = count;
    else if (key === "maxcpus") topology.maxCpus = count;
    else if (TOPOLOGY.includes(key)) topology[key] = count;
    else draft.note("unknown", `-smp ${key}=${text}`, "a level that a definition does not have");
  }
  if (Object.keys(topology).length > 0) draft.fields.cpuTopology = topology;
  if (!pairs.has("cpus")) draft.fields.cpus = impliedCpus(topology);
}

/** QEMU hw/core/machine-smp.c: without `cpus` there are `maxcpus`, or as many as the levels give. */
function impliedCpus({ maxCpus, ...levels }: Record<string, number>): number {
  return maxCpus ?? Object.values(levels).reduce((product, count) => product * count, 1);
}

function readMemory(draft: Draft, value: string, option: string): void {
  for (const [key, text] of optionPairs(value, "size")) {
    if (key === "slots") setMemory(draft, { slots: Number(text) });
    else {
      const bytes = sizeBytes(text, MIB);
      if (bytes === undefined) draft.note("unknown", option, `expected a size, got ${text}`);
      else if (key === "maxmem") setMemory(draft, { maxBytes: bytes });
      else draft.fields.memoryBytes = bytes;
    }
  }
}

function setMemory(draft: Draft, change: Part): void {
  draft.fields.memory = { ...Object(draft.fields.memory), ...change };
}

/**
 * The memory that `-mem-path` and `-mem-prealloc` describe. QEMU names its block in the stream as the
 * board does, `pc.ram`; an object does so only with this property.
 */
function boardMemory(draft: Draft, type: string): Part {
  const known = draft.objects.find(({ id }) => id === BOARD_MEMORY);
  if (known !== undefined) {
    if (type === "memory-backend-file") known["qom-type"] = type;
    return known;
  }
  const made: Part = {
    "qom-type": type,
    id: BOARD_MEMORY,
    "x-use-canonical-path-for-ramblock-id": false,
  };
  draft.objects.push(made);
  setMemory(draft, { backend: BOARD_MEMORY });
  return made;
}
const BOARD_MEMORY = "pc.ram";

/** The size of the memory is known when all options are read. */
export function finishMemory(draft: Draft): void {
  const backend = draft.objects.find(({ id }) => id === BOARD_MEMORY);
  if (backend !== undefined) backend.size ??= draft.fields.memoryBytes;
}

function readNuma(draft: Draft, value: string, option: string): void {
  const pairs = optionPairs(value, "type");
  const type = pairs.find(([key]) => key === "type")?.[1];
  if (type !== "node" && type !== "dist" && type !== "cpu") {
    draft.note("lost", option, "a definition has NUMA nodes, distances and CPUs only");
    return;
  }
  const entry: Part = { type };
  const cpus: number[] = [];
  for (const [key, text] of pairs) {
    if (key === "type") continue;
    if (key === "cpus") cpus.push(...numbersOf(text));
    else if (key === "memdev") entry.memdev = text;
    else if (key === "mem") draft.note("unknown", option, "give the node's memory by `memdev`");
    else entry[key] = Number(text);
  }
  if (type === "node") entry.nodeid ??= draft.numa.filter((one) => one.type === "node").length;
  if (cpus.length > 0) entry.cpus = cpus;
  draft.numa.push(entry);
}

function setFlash(draft: Draft, name: "code" | "nvram", node: string): void {
  draft.fields.firmware = { ...Object(draft.fields.firmware), [name]: node };
}

function setKernel(draft: Draft, change: Part): void {
  draft.fields.kernel = { ...Object(draft.fields.kernel), ...change };
}

function setActions(draft: Draft, change: Part): void {
  draft.fields.actions = { ...Object(draft.fields.actions), ...change };
}

function readBoot(draft: Draft, value: string): void {
  const boot: Part = {};
  for (const [key, text] of optionPairs(value, "order")) {
    if (key === "order") boot.order = text;
    else if (key === "menu" || key === "strict") boot[key] = switchOf(text);
    else if (key === "splash-time") boot.splashTimeMs = Number(text);
    else if (key === "reboot-timeout") boot.rebootTimeoutMs = Number(text);
    else if (key === "once") {
      draft.note("lost", `-boot once=${text}`, "it belongs to one start, and not to a guest");
    } else draft.note("lost", `-boot ${key}=${text}`, "a definition does not have it");
  }
  if (Object.keys(boot).length > 0) draft.fields.boot = boot;
}

function readSmbios(draft: Draft, value: string): void {
  const table: Part = {};
  for (const [key, text] of optionPairs(value)) {
    if (key === "type") table.type = Number(text);
    else {
      const known = table[key];
      table[key] = known === undefined ? text : [known, text].flat();
    }
  }
  draft.smbios.push(table);
}

function readGlobal(draft: Draft, value: string): void {
  const pairs = optionMap(value);
  const { driver, property, value: set } = Object.fromEntries(pairs);
  draft.globals.push(driver === undefined ? value : `${driver}.${property}=${set}`);
}
