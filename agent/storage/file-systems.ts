/** Magic numbers of statfs(2) (Linux include/uapi/linux/magic.h and the file systems' own headers). */
const names: ReadonlyMap<number, string> = new Map([
  [0x6969, "nfs"],
  [0x00c36400, "ceph"],
  [0x01161970, "gfs2"],
  [0x7461636f, "ocfs2"],
  [0x0bd00bd0, "lustre"],
  [0x47504653, "gpfs"],
  [0x65735546, "fuse"],
  [0xfe534d42, "smb"],
  [0xff534d42, "cifs"],
  [0x01021997, "9p"],
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x2fc12fc1, "zfs"],
  [0xf2f52010, "f2fs"],
  [0x01021994, "tmpfs"],
  [0x794c7630, "overlayfs"],
]);

export function fileSystemName(magic: number): string {
  return names.get(magic) ?? `file system 0x${magic.toString(16)}`;
}
