import { describeBinary } from "../binary.ts";

/** Stands for an agent that probes. Its arguments: the binary, the folder of the cache. */
const [binary = "", folder = ""] = process.argv.slice(2);
await describeBinary(binary, folder);
