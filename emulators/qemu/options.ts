import type { Device } from "./device.ts";
import { fromText, isObject, type Json } from "./qmp/text.ts";

/** QEMU's command line, as far as the model knows it. */
export type Options = {
  /** Beginning of error messages. */
  program: string;
  showsVersion: boolean;
  machine: string | undefined;
  machineProperties: Record<string, string>;
  memoryBytes: number;
  cpus: number;
  cpuModel: string | undefined;
  accelerator: "tcg" | "kvm";
  dirtyRingSize: number;
  name: string | undefined;
  uuid: string;
  /** Monitors: where they listen, and whether they wait for a client before the guest starts. */
  monitors: Array<{ path: string; waits: boolean; id: string }>;
  /** `file:PATH` of the serial line. */
  serialFile: string | undefined;
  drives: Array<Record<string, string>>;
  blockdevs: Array<Record<string, Json>>;
  devices: Device[];
  objects: Array<Record<string, Json>>;
  globals: Record<string, string>;
  incoming: string | undefined;
  isStopped: boolean;
  /** `-action`, `-no-shutdown`, `-no-reboot`. */
  actions: Actions;
  logFile: string | undefined;
  traces: string[];
  isStamped: boolean;
  isOnlyMigratable: boolean;
  pidFile: string | undefined;
};

/** What QEMU does when the guest reboots, powers itself off or panics. */
export type Actions = {
  reboot: "reset" | "shutdown";
  shutdown: "poweroff" | "pause";
  panic: "pause" | "shutdown" | "exit-failure" | "none";
};

const actionValues: Readonly<Record<string, readonly string[]>> = {
  reboot: ["reset", "shutdown"],
  shutdown: ["poweroff", "pause"],
  panic: ["pause", "shutdown", "exit-failure", "none"],
  watchdog: ["reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi"],
};

/** A command line that QEMU refuses; the message is what it prints. */
export class OptionError extends Error {
  override name = "OptionError";
}

type Handler = (options: Options, value: string) => void;
const ignore: Handler = () => {};

/** Options that take no value. */
const flags: Readonly<Record<string, (options: Options) => void>> = {
  version: (options) => {
    options.showsVersion = true;
  },
  nodefaults: () => {},
  "no-user-config": () => {},
  nographic: () => {},
  S: (options) => {
    options.isStopped = true;
  },
  "enable-kvm": (options) => {
    options.accelerator = "kvm";
  },
  "only-migratable": (options) => {
    options.isOnlyMigratable = true;
  },
  "no-shutdown": ({ actions }) => {
    actions.shutdown = "pause";
  },
  "no-reboot": ({ actions }) => {
    actions.reboot = "shutdown";
  },
};

const valued: Readonly<Record<string, Handler>> = {
  display: ignore,
  vga: ignore,
  vnc: ignore,
  boot: ignore,
  rtc: ignore,
  kernel: ignore,
  initrd: ignore,
  append: ignore,
  bios: ignore,
  L: ignore,
  netdev: ignore,
  numa: ignore,
  nic: ignore,
  overcommit: ignore,
  "run-with": ignore,
  sandbox: ignore,
  smbios: ignore,
  tpmdev: ignore,
  parallel: ignore,
  monitor: ignore,
  accel: setAccelerator,
  machine: setMachine,
  M: setMachine,
  m: setMemory,
  smp: (options, value) => {
    options.cpus = Number(/^(?:cpus=)?(\d+)/.exec(value)?.[1] ?? 1);
  },
  cpu: (options, value) => {
    options.cpuModel = value.split(",")[0];
  },
  name: (options, value) => {
    options.name = value.replace(/^guest=/, "").split(",")[0];
  },
  uuid: (options, value) => {
    options.uuid = value;
  },
  qmp: addQmp,
  chardev: addChardev,
  mon: addMonitor,
  serial: (options, value) => {
    options.serialFile = /^file:(.+)$/.exec(value)?.[1];
  },
  drive: (options, value) => {
    options.drives.push(parseList(value));
  },
  blockdev: (options, value) => {
    options.blockdevs.push(parseStructured(value, "driver"));
  },
  device: addDevice,
  object: (options, value) => {
    options.objects.push(parseStructured(value, "qom-type"));
  },
  global: addGlobal,
  action: setActions,
  incoming: (options, value) => {
    options.incoming = value;
  },
  D: (options, value) => {
    options.logFile = value;
  },
  d: ignore,
  trace: (options, value) => {
    options.traces.push(value.replace(/^(?:enable=|events=)/, ""));
  },
  msg: (options, value) => {
    options.isStamped = /timestamp=on/.test(value);
  },
  pidfile: (options, value) => {
    options.pidFile = value;
  },
};

/**
 * Parses the words after the program's name.
 *
 * @throws OptionError for what QEMU refuses
 */
export function parseOptions(program: string, words: readonly string[]): Options {
  const options = createOptions(program);
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    const name = /^--?(.+)$/.exec(word)?.[1];
    if (name === undefined) {
      throw new OptionError(
        `${program}: ${word}: Could not open '${word}': No such file or directory`,
      );
    }
    const flag = flags[name];
    if (flag) {
      flag(options);
      continue;
    }
    const handler = valued[name];
    if (!handler) throw new OptionError(`${program}: ${word}: invalid option`);
    const value = queue.shift();
    if (value === undefined) throw new OptionError(`${program}: ${word}: requires an argument`);
    handler(options, value);
  }
  return options;
}

/** Options of a model that is made in this process, without a command line. */
export function createOptions(program = "qemu-system-x86_64"): Options {
  return {
    program,
    showsVersion: false,
    machine: undefined,
    machineProperties: {},
    memoryBytes: 128 << 20,
    cpus: 1,
    cpuModel: undefined,
    accelerator: "tcg",
    dirtyRingSize: 0,
    name: undefined,
    uuid: "00000000-0000-0000-0000-000000000000",
    monitors: [],
    serialFile: undefined,
    drives: [],
    blockdevs: [],
    devices: [],
    objects: [],
    globals: {},
    incoming: undefined,
    isStopped: false,
    actions: { reboot: "reset", shutdown: "poweroff", panic: "shutdown" },
    logFile: undefined,
    traces: [],
    isStamped: false,
    isOnlyMigratable: false,
    pidFile: undefined,
  };
}

/** `a=1,b=2`; the first word may be the value of `first`. `,,` stands for a comma. */
export function parseList(text: string, first?: string): Record<string, string> {
  const parts = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(",,", ","));
  const entries = parts.map((part, index): [string, string] => {
    const cut = part.indexOf("=");
    if (cut >= 0) return [part.slice(0, cut), part.slice(cut + 1)];
    return index === 0 && first ? [first, part] : [part, "on"];
  });
  return Object.fromEntries(entries);
}

function setAccelerator(options: Options, value: string): void {
  const { accel, "dirty-ring-size": ring } = parseList(value, "accel");
  if (accel !== "tcg" && accel !== "kvm") {
    throw new OptionError(`${options.program}: invalid accelerator ${accel}`);
  }
  options.accelerator = accel;
  options.dirtyRingSize = Number(ring ?? 0);
}

function setActions(options: Options, value: string): void {
  for (const [name, word] of Object.entries(parseList(value))) {
    const values = actionValues[name];
    if (!values) {
      throw new OptionError(`${options.program}: -action ${value}: Invalid parameter '${name}'`);
    }
    if (!values.includes(word)) {
      const text = `Parameter '${name}' does not accept value '${word}'`;
      throw new OptionError(`${options.program}: -action ${value}: ${text}`);
    }
    if (name !== "watchdog") Object.assign(options.actions, { [name]: word });
  }
}

function setMachine(options: Options, value: string): void {
  const { type, accel, ...properties } = parseList(value, "type");
  options.machine = type ?? options.machine;
  if (accel === "kvm" || accel === "tcg") options.accelerator = accel;
  Object.assign(options.machineProperties, properties);
}

function setMemory(options: Options, value: string): void {
  const { size } = parseList(value, "size");
  const match = /^(\d+(?:\.\d+)?)([bkmgt])?$/i.exec(size ?? "");
  if (!match) {
    throw new OptionError(`${options.program}: -m ${value}: Parameter 'size' expects a size`);
  }
  const shift = { b: 0, k: 10, m: 20, g: 30, t: 40 }[(match[2] ?? "m").toLowerCase()] ?? 20;
  options.memoryBytes = Number(match[1]) * 2 ** shift;
}

function addQmp(options: Options, value: string): void {
  const id = `compat_monitor${options.monitors.length}`;
  const { unix, ...rest } = parseList(value.replace(/^unix:/, "unix="));
  if (!unix)
    throw new OptionError(
      `${options.program}: -qmp ${value}: '${value}' is not a valid char driver name`,
    );
  options.monitors.push({ path: unix, waits: waits(rest), id });
}

/** Stores a chardev for the -mon that uses it. */
function addChardev(options: Options, value: string): void {
  const { id, path, backend, ...rest } = parseList(value, "backend");
  if (backend !== "socket" || !path || !id) return;
  options.globals[`chardev.${id}`] = JSON.stringify({ path, waits: waits(rest) });
}

function addMonitor(options: Options, value: string): void {
  const { chardev, mode } = parseList(value, "chardev");
  const known = options.globals[`chardev.${chardev}`];
  if (!known)
    throw new OptionError(`${options.program}: -mon ${value}: chardev "${chardev}" not found`);
  if (mode !== "control") return;
  const { path, waits: mustWait } = JSON.parse(known) as { path: string; waits: boolean };
  options.monitors.push({ path, waits: mustWait, id: chardev ?? "mon" });
}

function waits({ wait, nowait }: Record<string, string>): boolean {
  return nowait === undefined && wait !== "off" && wait !== "no";
}

function addDevice(options: Options, value: string): void {
  const { driver, id, ...properties } = parseStructured(value, "driver");
  options.devices.push({
    driver: String(driver),
    id: typeof id === "string" ? id : undefined,
    properties,
  });
}

function addGlobal(options: Options, value: string): void {
  const match = /^([^.=]+)\.([^=]+)=(.*)$/.exec(value);
  if (!match) throw new OptionError(`${options.program}: -global ${value}: Invalid parameter`);
  options.globals[`${match[1]}.${match[2]}`] = match[3] ?? "";
}

function parseStructured(value: string, first: string): Record<string, Json> {
  if (!value.startsWith("{")) return parseList(value, first);
  const parsed = fromText(value);
  if (!isObject(parsed)) throw new OptionError(`Expected a JSON object, got ${value}`);
  return { ...parsed };
}
