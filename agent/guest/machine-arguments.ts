import type { VmDefinition } from "../../core/vm.ts";
import { keyValue } from "./key-value.ts";

/**
 * What the guest's board, CPUs and memory are made of. `-machine`, `-accel`, `-smp`, `-m`, `-numa`,
 * `-boot`, `-rtc`, `-smbios` and `-action` take no JSON (QEMU 7.2 to 11.1).
 */
export function machineArguments(definition: VmDefinition): string[] {
  const { accelerator, acceleratorOptions = {}, cpuModel, uuid, numa = [] } = definition;
  return [
    "-machine",
    machine(definition),
    "-accel",
    keyValue(acceleratorOptions, accelerator),
    ...option("-cpu", cpuModel),
    "-smp",
    topology(definition),
    "-m",
    memory(definition),
    ...numa.flatMap((entry) => ["-numa", numaEntry(entry)]),
    ...option("-uuid", uuid),
    ...firmware(definition),
    ...boot(definition),
    ...kernel(definition),
    ...(definition.rtc === undefined ? [] : option("-rtc", keyValue(definition.rtc))),
    ...smbios(definition),
    ...actions(definition),
  ];
}

/** `text` is what a part is resolved to: no placeholder is left. */
function option(name: string, text: unknown): string[] {
  return text === undefined || text === "" ? [] : [name, String(text)];
}

function machine({ machine, machineOptions = {}, firmware, memory }: VmDefinition): string {
  const flash = firmware !== undefined && "code" in firmware ? firmware : undefined;
  const own = {
    pflash0: flash?.code,
    pflash1: flash?.nvram,
    "memory-backend": memory?.backend,
  };
  return keyValue({ ...machineOptions, ...withoutUndefined(own) }, machine);
}

function withoutUndefined(options: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function topology({ cpus, cpuTopology }: VmDefinition): string {
  if (cpuTopology === undefined) return String(cpus);
  const { maxCpus: maxcpus, ...rest } = cpuTopology;
  return keyValue({ cpus, maxcpus, ...rest });
}

function memory({ memoryBytes, memory: { slots, maxBytes } = {} }: VmDefinition): string {
  const size = mebibytes(memoryBytes);
  if (maxBytes === undefined) return size;
  return keyValue({ size, slots, maxmem: mebibytes(maxBytes) });
}

const mebibytes = (bytes: number) => `${bytes / 2 ** 20}M`;

function numaEntry({ type, ...rest }: NonNullable<VmDefinition["numa"]>[number]): string {
  const options = Object.entries(rest).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map(String) : value,
  ]);
  return keyValue(Object.fromEntries(options), type);
}

function firmware({ firmware }: VmDefinition): string[] {
  return firmware !== undefined && "bios" in firmware ? option("-bios", firmware.bios) : [];
}

function boot({ boot }: VmDefinition): string[] {
  if (boot === undefined) return [];
  const { splashTimeMs, rebootTimeoutMs, ...rest } = boot;
  const times = { "splash-time": splashTimeMs, "reboot-timeout": rebootTimeoutMs };
  return option("-boot", keyValue({ ...rest, ...times }));
}

/** QEMU takes these three as they are, commas included (system/vl.c). */
function kernel({ kernel }: VmDefinition): string[] {
  if (kernel === undefined) return [];
  return [
    ...option("-kernel", kernel.path),
    ...option("-initrd", kernel.initrd),
    ...option("-append", kernel.append),
  ];
}

function smbios({ smbios = [] }: VmDefinition): string[] {
  return smbios.flatMap((table) => ["-smbios", optionsOf(table)]);
}

function actions({ actions }: VmDefinition): string[] {
  return actions === undefined ? [] : option("-action", keyValue(actions));
}

/** Options of a part whose placeholders are resolved. */
export function optionsOf(part: Readonly<Record<string, unknown>>): string {
  const { backend, ...rest } = part;
  const options = rest as Record<string, string | number | boolean | string[]>;
  return keyValue(options, typeof backend === "string" ? backend : undefined);
}
