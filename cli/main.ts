import { enableCompileCache } from "node:module";
import { exitCodes } from "./exit/exit-codes.ts";
import { CLI_VERSION } from "./version.ts";

// `switchyard list | head -1` ends quietly.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

const words = process.argv.slice(2);
const [only] = words;
if (words.length === 1 && (only === "--version" || only === "-V")) {
  console.log(CLI_VERSION);
} else {
  enableCompileCache?.();
  const { runProgram } = await import("./program.ts");
  process.exitCode = await runProgram(words);
  // A request may be waiting for its answer still.
  if (process.exitCode === exitCodes.interrupted.code) process.exit();
}
