import type { Reading } from "../../core/twin/reading.ts";
import type { StoredFiles } from "./stored-files.ts";

/** What a QEMU is for the twin check, and the files of its disks on this host. */
export type Twin = { readonly reading: Reading; readonly files: StoredFiles };
