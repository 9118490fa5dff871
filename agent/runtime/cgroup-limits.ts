import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Without a limit version 1 has the largest number of pages (mm/page_counter.c). */
const V1_NO_LIMIT_BYTES = 2 ** 62;

/** A memory limit of a control group, and what is left of it. */
export type CgroupLimit = {
  readonly path: string;
  readonly limitBytes: number;
  readonly freeBytes: number;
};

/** The memory limits of this process: of its control group and of those above it (cgroups(7)). */
export function cgroupLimits(root = "/"): CgroupLimit[] {
  const own = read(root, "proc/self/cgroup");
  const v1 = /^\d+:[^:]*\bmemory\b[^:]*:(.*)$/m.exec(own)?.[1];
  const path = v1 ?? /^0::(.*)$/m.exec(own)?.[1];
  if (path === undefined) return [];
  return above(path).flatMap((group) =>
    v1 === undefined ? limitV2(root, group) : limitV1(root, group),
  );
}

/** `/a/b`, `/a`, `/`. */
function above(path: string): string[] {
  return path === "/" || path === "." ? ["/"] : [path, ...above(dirname(path))];
}

function limitV2(root: string, path: string) {
  const folder = join("sys/fs/cgroup", path);
  const used = read(root, join(folder, "memory.current"));
  return limitOf(path, read(root, join(folder, "memory.max")), used, {
    text: read(root, join(folder, "memory.stat")),
    name: "inactive_file",
  });
}

function limitV1(root: string, path: string) {
  const folder = join("sys/fs/cgroup/memory", path);
  const used = read(root, join(folder, "memory.usage_in_bytes"));
  return limitOf(path, read(root, join(folder, "memory.limit_in_bytes")), used, {
    text: read(root, join(folder, "memory.stat")),
    name: "total_inactive_file",
  });
}

/** Cache of files counts as used, and is given back when memory is needed. */
function limitOf(
  path: string,
  limit: string,
  used: string,
  cache: { text: string; name: string },
): CgroupLimit[] {
  const limitBytes = Number.parseInt(limit, 10);
  if (Number.isNaN(limitBytes) || limitBytes >= V1_NO_LIMIT_BYTES) return [];
  const cached = new RegExp(`^${cache.name} (\\d+)$`, "m").exec(cache.text)?.[1] ?? "0";
  const usedBytes = (Number.parseInt(used, 10) || 0) - Number(cached);
  return [{ path, limitBytes, freeBytes: Math.max(0, limitBytes - Math.max(0, usedBytes)) }];
}

function read(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return "";
  }
}
