import type { Parameter } from "./parameter.ts";
import type { Lifetime, QemuRelease } from "./version.ts";

const refused = (
  name: string,
  life: Lifetime & { since: QemuRelease; deprecated?: QemuRelease },
  why: string,
  cure = `Remove \`${name}\` from the policy`,
): Parameter => ({
  name,
  ...life,
  side: "source",
  mustMatch: false,
  type: "text",
  unit: "",
  default: null,
  refusal: { why, cure },
});

const compressLife = { removed: "9.1", deprecated: "8.2" } as const;
const COMPRESS_REMOVED = "it belongs to the capability `compress`, which QEMU removed in 9.1";
const USE_MULTIFD = "Ask for `multifd` with the parameter `multifd-compression` instead";

/** QEMU's parameters that have no effect, or do harm, when a guest migrates over the network. */
export const unusableParameters: readonly Parameter[] = [
  refused("x-checkpoint-delay", { since: "2.8" }, "it belongs to COLO, which is not a migration"),
  refused("direct-io", { since: "9.1" }, "it only has an effect when migrating to a file"),
  refused("x-rdma-chunk-size", { since: "11.1" }, "the rdma transport is not used here"),
  refused(
    "cpr-exec-command",
    { since: "10.2" },
    "it restarts QEMU on the same host, which is not a migration",
  ),
  refused(
    "block-bitmap-mapping",
    { since: "5.2" },
    "it is a list, and both sides use the same node names here",
  ),
  refused("compress-level", { since: "2.4", ...compressLife }, COMPRESS_REMOVED, USE_MULTIFD),
  refused("compress-threads", { since: "2.4", ...compressLife }, COMPRESS_REMOVED, USE_MULTIFD),
  refused("compress-wait-thread", { since: "3.1", ...compressLife }, COMPRESS_REMOVED, USE_MULTIFD),
  refused("decompress-threads", { since: "2.4", ...compressLife }, COMPRESS_REMOVED, USE_MULTIFD),
  refused(
    "block-incremental",
    { since: "2.10", ...compressLife },
    "it belongs to the capability `block`, which QEMU removed in 9.1",
    "Put the disks on storage that both hosts share",
  ),
];
