import { chmodSync, writeFileSync } from "node:fs";

/** In the folder of each guest: a second QMP monitor, as an operator's tool has one. */
export const WATCH_SOCKET = "watch.sock";

/**
 * Writes a wrapper of this QEMU that adds a second monitor to each guest. `targetDelaySeconds`: a
 * QEMU with `-incoming` starts this much later, as one does that allocates its memory first.
 */
export function writeWatchedQemu(
  path: string,
  qemu: string,
  { targetDelaySeconds = 0 }: { targetDelaySeconds?: number } = {},
): void {
  const delay = targetDelaySeconds === 0 ? ":" : `sleep ${targetDelaySeconds}`;
  const script = `#!/bin/sh
case "$*" in
*" -incoming "*) ${delay} ;;
esac
case "$*" in
*" -serial file:"*) exec '${qemu}' "$@" -qmp 'unix:${WATCH_SOCKET},server=on,wait=off' ;;
*) exec '${qemu}' "$@" ;;
esac
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
}
