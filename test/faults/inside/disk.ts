import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const STDERR = 2;

/**
 * Behaves like a full disk: files can be created, renamed and removed, but not written. The first
 * write takes a part of its data, as on a real disk. The log can still be written.
 */
export function installDisk(isFull: () => boolean): void {
  const { writeSync, writeFileSync } = fs;
  let rest = 0;
  const full = (syscall: string) =>
    Object.assign(new Error(`ENOSPC: no space left on device, ${syscall}`), {
      errno: -28,
      code: "ENOSPC",
      syscall,
    });
  const write = (descriptor: number, data: string | NodeJS.ArrayBufferView, ...more: unknown[]) => {
    const call = writeSync as (...args: unknown[]) => number;
    if (descriptor <= STDERR || !isFull()) {
      rest = 1;
      return call(descriptor, data, ...more);
    }
    if (rest === 0 || typeof data === "string") throw full("write");
    rest = 0;
    const [offset = 0] = more as [number?];
    return call(descriptor, data, offset, Math.ceil((data.byteLength - offset) / 2));
  };
  const writeFile: typeof writeFileSync = (file, data, options) => {
    if (!isFull()) return writeFileSync(file, data, options);
    writeFileSync(file, "", options);
    throw full("write");
  };
  Object.assign(fs, { writeSync: write, writeFileSync: writeFile });
  syncBuiltinESMExports();
}
