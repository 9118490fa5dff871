import type { Parameter } from "./parameter.ts";
import type { Lifetime, QemuRelease } from "./version.ts";

const refused = (
  name: string,
  life: Lifetime & { since: QemuRelease; deprecated?: QemuRelease },
  why: string,
  cure = `Leave \`${name}\` out of the policy`,
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

const ofCompress = { removed: "9.1", deprecated: "8.2" } as const;
const compressed = "it belongs to the capability `compress`, which QEMU removed in 9.1";
const compression = "Ask for `multifd` with the parameter `multifd-compression` instead";

/** QEMU's parameters that mean nothing, or harm, when a guest moves over the network. */
export const unusableParameters: readonly Parameter[] = [
  refused("x-checkpoint-delay", { since: "2.8" }, "it belongs to COLO, which is not a move"),
  refused("direct-io", { since: "9.1" }, "it only means something when migrating to a file"),
  refused("x-rdma-chunk-size", { since: "11.1" }, "the rdma transport is not used here"),
  refused(
    "cpr-exec-command",
    { since: "10.2" },
    "it restarts QEMU on the same host, which is not a move",
  ),
  refused(
    "block-bitmap-mapping",
    { since: "5.2" },
    "it is a list, and both ends use the same node names here",
  ),
  refused("compress-level", { since: "2.4", ...ofCompress }, compressed, compression),
  refused("compress-threads", { since: "2.4", ...ofCompress }, compressed, compression),
  refused("compress-wait-thread", { since: "3.1", ...ofCompress }, compressed, compression),
  refused("decompress-threads", { since: "2.4", ...ofCompress }, compressed, compression),
  refused(
    "block-incremental",
    { since: "2.10", ...ofCompress },
    "it belongs to the capability `block`, which QEMU removed in 9.1",
    "Put the disks on storage that both hosts share",
  ),
];
