import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { accelerators, userfaultfd } from "../probe/host.ts";
import type { AgentConfig } from "../runtime/config.ts";
import { type Finding, ok, warning, wrong } from "./finding.ts";

const HUGEPAGES = "/sys/kernel/mm/hugepages";
/** linux/magic.h, HUGETLBFS_MAGIC. */
const HUGETLBFS = 0x958458f6;
const GIB = 2 ** 30;

/** What Linux says of this machine. */
export type MachineFacts = {
  readonly hasKvm: boolean;
  readonly canUseKvm: boolean;
  /** Its CPU can run guests by hardware, by its flags. */
  readonly hasVirtualization: boolean;
  readonly userfaultfd: boolean;
  readonly totalBytes: number;
  readonly hugepages: readonly HugepagePool[];
  /** Mounts of hugetlbfs that the configuration names, and whether each is one. */
  readonly mounts: readonly { readonly path: string; readonly isHugetlbfs: boolean }[];
};
type HugepagePool = { readonly sizeKib: number; readonly total: number; readonly free: number };

export function readMachine({ resources }: AgentConfig): MachineFacts {
  const paths = Object.values(resources).flatMap((value) =>
    typeof value === "object" && value.type === "hugepages" ? [value.path] : [],
  );
  return {
    hasKvm: existsSync("/dev/kvm"),
    canUseKvm: accelerators().includes("kvm"),
    hasVirtualization: /^flags\s*:.*\b(vmx|svm)\b/m.test(readText("/proc/cpuinfo")),
    userfaultfd: userfaultfd(),
    totalBytes: totalmem(),
    hugepages: readPools(),
    mounts: paths.map((path) => ({ path, isHugetlbfs: isHugetlbfs(path) })),
  };
}

export function checkMachine(
  facts: MachineFacts,
  { memoryBytes }: Pick<AgentConfig, "memoryBytes">,
): Finding[] {
  return [
    kvmFinding(facts),
    userfaultfdFinding(facts),
    memoryFinding(facts, memoryBytes),
    hugepagesFinding(facts),
  ];
}

function kvmFinding({ hasKvm, canUseKvm, hasVirtualization }: MachineFacts): Finding {
  if (canUseKvm) return ok("kvm", "/dev/kvm can be used");
  if (hasKvm) {
    const found = "/dev/kvm is there, and this user may not use it";
    return wrong("kvm", found, "run the agent as root, or give its user the group of /dev/kvm");
  }
  const found = "there is no /dev/kvm: guests can run in software emulation (TCG) only";
  const cure = hasVirtualization
    ? "load the kernel's module: modprobe kvm_intel, or kvm_amd"
    : "switch virtualization on in the firmware, or pass it on to this machine if it is virtual";
  return warning("kvm", found, cure);
}

function userfaultfdFinding(facts: MachineFacts): Finding {
  if (facts.userfaultfd) return ok("userfaultfd", "postcopy migrations can come here");
  const found = "this user may not use userfaultfd: no postcopy migration can come here";
  const cure = "run the agent as root, or: sysctl vm.unprivileged_userfaultfd=1";
  return warning("userfaultfd", found, cure);
}

function memoryFinding({ totalBytes }: MachineFacts, memoryBytes: number): Finding {
  const sizes = `${gib(memoryBytes)} for guests, of ${gib(totalBytes)}`;
  if (memoryBytes < totalBytes) return ok("memory", sizes);
  if (memoryBytes === totalBytes) {
    const cure = "set `memoryBytes` to what is left when the host itself has its part";
    return warning("memory", `${sizes}: nothing is left for the host itself`, cure);
  }
  const found = `${sizes}: guests would be given memory that the machine does not have`;
  return wrong("memory", found, `set \`memoryBytes\` to less than ${totalBytes}`);
}

function hugepagesFinding({ hugepages, mounts }: MachineFacts): Finding {
  const pools = hugepages
    .filter(({ total }) => total > 0)
    .map(({ sizeKib, total, free }) => `${free} of ${total} free of ${sizeKib} KiB`);
  const mount = mounts.find(({ isHugetlbfs }) => !isHugetlbfs);
  if (mount !== undefined) {
    const found = `${mount.path}, a resource of type hugepages, is no mount of hugetlbfs`;
    return wrong("hugepages", found, `mount -t hugetlbfs hugetlbfs ${mount.path}`);
  }
  if (pools.length > 0) return ok("hugepages", pools.join(", "));
  if (mounts.length === 0) return ok("hugepages", "none are reserved, and no resource needs them");
  const found = "the configuration has a resource of type hugepages, and none are reserved";
  return wrong("hugepages", found, "reserve them: sysctl vm.nr_hugepages=N, and at each boot");
}

function readPools(): HugepagePool[] {
  if (!existsSync(HUGEPAGES)) return [];
  return readdirSync(HUGEPAGES).flatMap((name) => {
    const sizeKib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
    if (Number.isNaN(sizeKib)) return [];
    const count = (file: string) => Number(readText(join(HUGEPAGES, name, file)));
    return [{ sizeKib, total: count("nr_hugepages"), free: count("free_hugepages") }];
  });
}

function isHugetlbfs(path: string): boolean {
  try {
    return statfsSync(path).type === HUGETLBFS;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
