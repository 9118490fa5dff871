import { atLeast } from "../catalog/version.ts";
import type { Qemu } from "../qemu.ts";
import type { Json, JsonObject } from "../qmp/text.ts";
import { PAGE_BYTES } from "../ram.ts";
import { type Address, addressText } from "../stream/network.ts";
import { listBlockers } from "./blockers.ts";
import type { Attempt } from "./outgoing-state.ts";
import { switchoverBytesPerSecond, totalFinalBytes } from "./pending.ts";

const INT64_MAX = 9223372036854775807n;

/** Answers query-migrate. The members depend on the state and on the version. */
export function queryMigrate(qemu: Qemu): JsonObject {
  const reasons = listBlockers(qemu);
  const blocked = reasons.length > 0 ? { "blocked-reasons": reasons } : {};
  const { status, attempt } = qemu.outgoing;
  if (status === "none" && qemu.incoming.option !== undefined) {
    return { ...blocked, ...queryIncoming(qemu) };
  }
  if (status === "none") return blocked;
  return { ...blocked, status, ...error(qemu), ...(attempt ? queryOutgoing(qemu, attempt) : {}) };
}

function queryOutgoing(qemu: Qemu, attempt: Attempt): JsonObject {
  const { status } = qemu.outgoing;
  const hasNumbers = !["setup", "cancelled", "failed"].includes(status);
  if (attempt.setupMs === undefined || !hasNumbers) return {};
  const endMs = attempt.endedMs ?? qemu.clock.nowMs();
  return {
    "setup-time": Math.round(attempt.setupMs),
    "total-time": Math.round(endMs - attempt.startedMs),
    ...downtime(qemu, attempt),
    ...(status !== "completed" && atLeast(qemu.version, "11.1")
      ? { remaining: qemu.ram.pendingBytes() + totalFinalBytes(qemu) }
      : {}),
    ram: queryRam(qemu, attempt),
    ...(qemu.vfio.length > 0 ? { vfio: { transferred: attempt.statistics.vfioBytes } } : {}),
    ...(qemu.capabilities.xbzrle ? { "xbzrle-cache": xbzrleCache(qemu) } : {}),
    ...(attempt.statistics.throttlePercent > 0 && attempt.endedMs === undefined
      ? { "cpu-throttle-percentage": attempt.statistics.throttlePercent }
      : {}),
  };
}

function downtime(qemu: Qemu, attempt: Attempt): JsonObject {
  const { status } = qemu.outgoing;
  const showsInPostcopy = atLeast(qemu.version, "10.0") && status.startsWith("postcopy-");
  if (status === "completed" || (showsInPostcopy && attempt.downtimeMs !== undefined)) {
    return { downtime: Math.round(attempt.downtimeMs ?? 0) };
  }
  if (!atLeast(qemu.version, "11.1")) {
    return { "expected-downtime": attempt.rate.expectedDowntimeMs };
  }
  const perSecond = switchoverBytesPerSecond(qemu, attempt);
  if (perSecond <= 0) return { "expected-downtime": INT64_MAX };
  const bytes = attempt.statistics.pendingAtSyncBytes + totalFinalBytes(qemu);
  return { "expected-downtime": Math.floor((bytes / perSecond) * 1000) };
}

function queryRam(qemu: Qemu, attempt: Attempt): JsonObject {
  const { statistics, rate } = attempt;
  const isOver = attempt.endedMs !== undefined;
  const seconds = Math.max(0.001, ((attempt.endedMs ?? 0) - attempt.startedMs) / 1000);
  return {
    total: qemu.ram.totalBytes,
    "postcopy-requests": statistics.postcopyRequests,
    "dirty-sync-count": statistics.syncs,
    "multifd-bytes": statistics.multifdBytes,
    "pages-per-second": rate.pagesPerSecond,
    "downtime-bytes": statistics.downtimeBytes,
    "page-size": PAGE_BYTES,
    remaining: isOver ? 0 : qemu.ram.pendingBytes(),
    "postcopy-bytes": statistics.postcopyBytes,
    mbps: isOver ? (statistics.transferredBytes * 8) / seconds / 1e6 : rate.mbps,
    transferred: Math.round(statistics.transferredBytes),
    "dirty-sync-missed-zero-copy": 0,
    "precopy-bytes": statistics.precopyBytes,
    duplicate: statistics.zeroPages,
    "dirty-pages-rate": statistics.dirtyPagesPerSecond,
    ...(atLeast(qemu.version, "8.1") ? {} : { skipped: 0 }),
    "normal-bytes": statistics.normalPages * PAGE_BYTES,
    normal: statistics.normalPages,
  };
}

function xbzrleCache(qemu: Qemu): JsonObject {
  return {
    bytes: 0,
    "cache-size": qemu.parameters["xbzrle-cache-size"] as number,
    "cache-miss-rate": 0,
    "encoding-rate": 0,
    pages: 0,
    overflow: 0,
    "cache-miss": 0,
  };
}

function queryIncoming(qemu: Qemu): JsonObject {
  const { status, errorDesc, addresses } = qemu.incoming;
  // 7.2 shows no state before the source connects.
  const isSilent = status === "none" || (status === "setup" && !atLeast(qemu.version, "8.0"));
  const list = addresses.map(describeAddress);
  return {
    ...(isSilent ? {} : { status }),
    ...(errorDesc === undefined ? {} : { "error-desc": errorDesc }),
    ...(list.length > 0 ? { "socket-address": list } : {}),
    ...(status === "completed" && qemu.capabilities["postcopy-blocktime"]
      ? {
          "postcopy-blocktime": 0,
          "postcopy-vcpu-blocktime": Array.from({ length: qemu.options.cpus }, () => 0),
        }
      : {}),
  };
}

function error(qemu: Qemu): JsonObject {
  const { status, errorDesc } = qemu.outgoing;
  if (errorDesc === undefined) return {};
  // Releases before 10.0 show it only once the migration has failed.
  const isShown = status === "failed" || atLeast(qemu.version, "10.0");
  return isShown ? { "error-desc": errorDesc } : {};
}

function describeAddress(address: Address): Json {
  if (address.type !== "inet") return { path: addressText(address), type: address.type };
  const family = address.host.includes(":") ? "ipv6" : "ipv4";
  return { port: String(address.port), [family]: true, host: address.host, type: "inet" };
}
