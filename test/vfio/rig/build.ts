import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { RigUnavailableError } from "../../machine/errors.ts";
import { buildRig, defaultCacheDir } from "./rig.ts";

const HELP = `Builds the rig for live migrations of VFIO devices without hardware.

  npm run vfio:build -- [--fresh] [--help]

  --fresh   forget what is in the cache folder and build everything anew
  --help    show this text

Environment
  SWITCHYARD_VFIO_CACHE       folder to build in (default: .cache/vfio-rig in the repository)
  SWITCHYARD_DEBIAN_MIRROR    Debian mirror (default: the one this machine's apt uses)

Exit code 0: built; 2: this machine cannot build it, the reason is on the last line; 1: a fault.
`;

async function main(): Promise<number> {
  const options = { fresh: { type: "boolean" }, help: { type: "boolean" } } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const startedMs = performance.now();
  const onProgress = (line: string) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
    process.stdout.write(`[${seconds} s] ${line}\n`);
  };
  if (values.fresh === true) await rm(defaultCacheDir(), { recursive: true, force: true });
  try {
    const rig = await buildRig({ onProgress });
    onProgress(`ready: ${rig.kernel}, ${rig.initrd}`);
    return 0;
  } catch (error) {
    if (!(error instanceof RigUnavailableError)) throw error;
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
    process.stdout.write(`vfio rig unavailable: ${error.message}${cause}\n`);
    return 2;
  }
}

process.exitCode = await main();
