import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { HostCpu } from "../../core/protocol/host-cpu.ts";

/** Of a host with many processors it takes the kernel milliseconds. */
let processor: ReturnType<typeof cpuOf> | undefined;

/** What a guest's CPU depends on beside QEMU. The processor is the first one that the kernel lists. */
export function readHostCpu(): HostCpu {
  processor ??= cpuOf(read("/proc/cpuinfo"));
  const clocksource = read(
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
  ).trim();
  return {
    kernel: release(),
    ...processor,
    ...(clocksource === "" ? {} : { clocksource }),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** No model where /proc/cpuinfo names none, as on some architectures. */
export function cpuOf(cpuInfo: string): Pick<HostCpu, "cpu" | "scalesTsc"> {
  const field = (name: string) => new RegExp(`^${name}\\s*: *(.+)$`, "m").exec(cpuInfo)?.[1];
  const model = field("model name");
  const microcode = field("microcode");
  if (model === undefined) return {};
  const flags = `${field("flags") ?? ""} ${field("vmx flags") ?? ""}`.split(" ");
  return {
    cpu: { model: model.slice(0, 128), ...(microcode === undefined ? {} : { microcode }) },
    // AMD's and Intel's name (Linux arch/x86/include/asm/cpufeatures.h, vmxfeatures.h).
    scalesTsc: flags.includes("tsc_scale") || flags.includes("tsc_scaling"),
  };
}
