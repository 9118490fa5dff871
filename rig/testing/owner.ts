import { ownFolder } from "./own-folder.ts";

/** A process that owns a folder, and ends at the first message. */
console.log(JSON.stringify(ownFolder()));
process.on("message", () => process.exit());
