import type { SourceDisk } from "../../core/storage-copy/copied-disk.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { foreignLocks } from "../storage/image-locks.ts";
import { readDisks } from "../twin/read.ts";

const DISKS_MAX = 100;
const OWNERS_MAX = 10;

/** The disks of a running guest that have a medium. @throws QmpError */
export async function probeDisks(qmp: QmpClient, pid: number): Promise<SourceDisk[]> {
  const [devices, nodes, disks] = await Promise.all([
    qmp.execute("query-block"),
    qmp.execute("query-named-block-nodes", { flat: true }),
    readDisks(qmp, pid),
  ]);
  const found = devices.flatMap(({ qdev, inserted }): SourceDisk[] => {
    const node = nodes.find((one) => one["node-name"] === inserted?.["node-name"]);
    const name = node?.["node-name"];
    if (node === undefined || name === undefined) return [];
    const cluster = node.image?.["cluster-size"];
    const path = disks.leaves(name)[0]?.name ?? node.file;
    const lockedBy = node.ro ? [] : foreignLocks(pid, path).slice(0, OWNERS_MAX);
    return [
      {
        node: name,
        ...(qdev === undefined ? {} : { device: qdev.replace(/^\/machine\/peripheral\//, "") }),
        drivers: disks.drivers(name).slice(0, 16),
        path,
        sizeBytes: Number(node.image?.["virtual-size"] ?? 0),
        ...(cluster === undefined ? {} : { clusterBytes: Number(cluster) }),
        isReadOnly: node.ro,
        isEncrypted: node.encrypted ?? false,
        ...(lockedBy.length === 0 ? {} : { lockedBy }),
        bitmaps: (node["dirty-bitmaps"] ?? []).map(({ name = "without a name" }) => name),
      },
    ];
  });
  return found.slice(0, DISKS_MAX);
}
