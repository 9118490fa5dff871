const CLIENT = /^\s*(?:\\ )?(\S+): index=\d+,type=([a-z0-9-]+)/;

/** Parses `info network` (QEMU net/net.c, hmp_info_network): the kind of each backend by its id. */
export function parseNetworkPeers(text: string): Map<string, string> {
  const kinds = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, id, kind] = CLIENT.exec(line) ?? [];
    if (id !== undefined && kind !== undefined && kind !== "nic") kinds.set(id, kind);
  }
  return kinds;
}
