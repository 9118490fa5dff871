import { randomBytes } from "node:crypto";
import { type Inspection, pairFiles, type Storage, Witness } from "../../../core/twin/storage.ts";
import type { StorageFinding } from "../../../core/twin/storage-compare.ts";
import {
  type Inspections,
  isRegular,
  proofByIdentity,
  proofByInspection,
  type Sides,
  sidesOf,
} from "../../../core/twin/storage-proof.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { StoredFiles } from "../../storage/stored-files.ts";
import type { HandoverClient } from "../link/handover-client.ts";

/** Longer than the target's own limits, for agents on busy hosts. */
const SEEN_MS = 20_000;
/** Files are read whole. With all else before it, it ends before the command's own deadline. */
const READ_MS = 55_000;

type Result = { readonly findings: readonly StorageFinding[]; readonly sides: Sides };

/**
 * Proves for each file of each disk that the target's is the same storage. What identities do not
 * prove is inspected: with a witness beside the files, and by their content where they are read-only.
 *
 * @throws CommandRefusedError when the target's agent does not answer
 */
export async function proveStorage(
  link: HandoverClient,
  own: StoredFiles,
  target: Storage | undefined,
): Promise<Result> {
  // An agent of another version: the comparison says so.
  if (target === undefined) return { findings: [], sides: UNKNOWN };
  const sides = sidesOf(own.storage, target);
  const findings = pairFiles(own.storage, target).map((pair): StorageFinding => {
    return { pair, proof: proofByIdentity(pair, sides) };
  });
  if (findings.every(({ proof }) => proof !== undefined)) return { findings, sides };
  return { findings: await inspectUnproved(link, own, findings), sides };
}

const UNKNOWN: Sides = { isSameKernel: false, isSameNetwork: false };

async function inspectUnproved(
  link: HandoverClient,
  own: StoredFiles,
  findings: readonly StorageFinding[],
): Promise<StorageFinding[]> {
  const both = new SharedInspection(link, own);
  const unproved = findings.filter(({ pair, proof }) => proof === undefined && isRegular(pair));
  const seen = await both.withWitness(unproved);
  const readOnly = [...seen.values()].filter(
    ({ pair, proof }) => proof === undefined && pair.source.isReadOnly && pair.target.isReadOnly,
  );
  for (const [at, finding] of await both.atContent(readOnly)) seen.set(at, finding);
  return findings.map((finding) => seen.get(finding.pair.sourceAt) ?? finding);
}

type Findings = Map<number, StorageFinding>;

/** Both sides inspect their files at the same moment. */
class SharedInspection {
  readonly #link: HandoverClient;
  readonly #own: StoredFiles;

  constructor(link: HandoverClient, own: StoredFiles) {
    this.#link = link;
    this.#own = own;
  }

  async withWitness(findings: readonly StorageFinding[]): Promise<Findings> {
    if (findings.length === 0) return new Map();
    const witness = newWitness();
    try {
      const problems = await this.#own.makeWitness(
        witness,
        findings.map(({ pair }) => pair.sourceAt),
      );
      const [ours, theirs] = await this.#both(witness, [], [], SEEN_MS);
      return judge(findings, ours, theirs, problems);
    } finally {
      await this.#own.removeWitness(witness);
    }
  }

  async atContent(findings: readonly StorageFinding[]): Promise<Findings> {
    if (findings.length === 0) return new Map();
    const ourFiles = findings.map(({ pair }) => pair.sourceAt);
    const theirFiles = findings.map(({ pair }) => pair.targetAt);
    const [ours, theirs] = await this.#both(newWitness(), ourFiles, theirFiles, READ_MS);
    return judge(findings, ours, theirs, new Map());
  }

  async #both(witness: Witness, ours: number[], theirs: number[], timeoutMs: number) {
    const inspected = await Promise.all([
      this.#own.inspect(witness, ours),
      this.#link.inspect({ witness, digests: theirs }, timeoutMs),
    ]);
    if (inspected[1].length > 0) return inspected;
    throw new CommandRefusedError(
      "qemu",
      "The target's agent cannot inspect the files of its disks",
    );
  }
}

function judge(
  findings: readonly StorageFinding[],
  ours: readonly Inspection[],
  theirs: readonly Inspection[],
  problems: ReadonlyMap<number, string>,
): Findings {
  const judged = findings.map(({ pair }) => {
    const inspections: Inspections = {
      source: ours[pair.sourceAt] ?? NOTHING,
      target: theirs[pair.targetAt] ?? NOTHING,
      witnessProblem: problems.get(pair.sourceAt),
    };
    return [
      pair.sourceAt,
      { pair, inspections, proof: proofByInspection(pair, inspections) },
    ] as const;
  });
  return new Map(judged);
}

const NOTHING: Inspection = { hasWitness: false };

function newWitness(): Witness {
  return Witness.parse(`.switchyard-${randomBytes(16).toString("hex")}`);
}
