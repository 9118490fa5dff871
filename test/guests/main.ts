import { Command, Option } from "commander";
import { chooseQemu } from "../../rig/qemu.ts";
import { wholeNumber } from "../../rig/whole-number.ts";
import { RigUnavailableError } from "../machine/errors.ts";
import { Network } from "../network/namespaces.ts";
import { HOSTS } from "./bed.ts";
import { buildGuestRig, type GuestRig } from "./rig/rig.ts";
import { runGuests } from "./run.ts";
import { shapes } from "./shapes.ts";

type Options = { json?: true; slice?: true; moves: number; only?: string[]; qemu?: string };

/** A part that cannot be had here; the run goes on without it. */
const REQUIRED = "SWITCHYARD_GUESTS_REQUIRED";
const INTERRUPTED = 130;
const MOVES = 3;
/** A guest or the differences that begin by then end within four minutes on a calm machine. */
const SLICE_BEGIN_MS = 150_000;
const names = shapes.map(({ name }) => name);
const list = shapes.map(({ name, claim }) => `  ${name.padEnd(10)}${claim}`).join("\n");

const program = new Command("test:guests")
  .description("Moves real Linux guests between two hosts in network namespaces, and checks them")
  .option("--json", "print one JSON object as the last line")
  .option("--slice", "what CI runs: all guests, and some of the differences; at most 4 minutes")
  .option("--moves <number>", "migrations of each guest", wholeNumber(1, 50), MOVES)
  .option("--qemu <path>", "QEMU binary of both hosts (default: $SWITCHYARD_QEMU, then PATH)")
  .addOption(new Option("--only <name...>", "run these guests only, no differences").choices(names))
  .addHelpText(
    "after",
    `
Guests
${list}

Each boots Debian's kernel, keeps one TCP connection to a peer, writes and checks memory and two
disks, and moves from host to host and back. Then differences are made between two machines, and
the twin check must find each. Needs root, network namespaces and a Debian mirror (${REQUIRED}=1:
their absence is a failure). See test/guests/README.md.`,
  )
  .parse();

const startedMs = performance.now();
process.exitCode = await main(program.opts<Options>());

async function main(options: Options): Promise<number> {
  const chosen = shapes.filter(({ name }) => options.only?.includes(name) ?? true);
  const ready = await prepare(options.qemu);
  if (typeof ready === "string") {
    print(`test:guests skipped: ${ready}`);
    console.log(`0 passed, 0 failed, ${chosen.length} skipped`);
    return process.env[REQUIRED] === "1" ? 1 : 0;
  }
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)));
  }
  const outcome = await runGuests(
    { ...ready, print, signal: stopping.signal },
    {
      shapes: chosen,
      moves: options.moves,
      differences: options.only ? "none" : options.slice ? "some" : "all",
      ...(options.slice ? { beginMs: SLICE_BEGIN_MS } : {}),
    },
  );
  const { guests, differences, passed, failed, skipped } = outcome;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (options.json) console.log(JSON.stringify({ guests, differences }));
  if (stopping.signal.aborted) return INTERRUPTED;
  return failed === 0 ? 0 : 1;
}

type Ready = { readonly rig: GuestRig; readonly qemu: string; readonly network: Network };

/** What the run needs, or one line that says what this machine lacks. */
async function prepare(named: string | undefined): Promise<Ready | string> {
  const qemu = chooseQemu(named);
  if (!qemu.real) return "no QEMU (sudo ./scripts/install-qemu.sh)";
  let rig: GuestRig;
  try {
    rig = await buildGuestRig(print);
  } catch (error) {
    if (!(error instanceof RigUnavailableError)) throw error;
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
    return `${error.message}${cause}`;
  }
  try {
    return { rig, qemu: qemu.path, network: Network.create(HOSTS) };
  } catch (error) {
    return `no network namespaces with bridges and taps here: ${(error as Error).message.trim()}`;
  }
}

function print(line: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`[${seconds} s] ${line}\n`);
}
