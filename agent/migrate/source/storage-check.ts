import { randomBytes } from "node:crypto";
import { pairFiles, type Sight, type Storage, Witness } from "../../../core/twin/storage.ts";
import type { StorageFinding } from "../../../core/twin/storage-compare.ts";
import {
  isRegular,
  type Looked,
  proofByIdentity,
  proofByLook,
  type Sides,
  sidesOf,
} from "../../../core/twin/storage-proof.ts";
import type { StoredFiles } from "../../storage/stored-files.ts";
import type { HandoverClient } from "../link/handover-client.ts";

/** Longer than the target's own limits for a look. */
const SEEN_MS = 10_000;
/** Files are read whole. */
const READ_MS = 70_000;

type Result = { readonly findings: readonly StorageFinding[]; readonly sides: Sides };

/**
 * Proves for each file of each disk that the target's is the same storage. What identities do not
 * prove is looked at: with a witness beside the files, and by their content where they are read-only.
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
  return { findings: await lookAtUnproved(link, own, findings), sides };
}

const UNKNOWN: Sides = { isSameKernel: false, isSameNetwork: false };

async function lookAtUnproved(
  link: HandoverClient,
  own: StoredFiles,
  findings: readonly StorageFinding[],
): Promise<StorageFinding[]> {
  const look = new SharedLook(link, own);
  const unproved = findings.filter(({ pair, proof }) => proof === undefined && isRegular(pair));
  const seen = await look.withWitness(unproved);
  const readOnly = [...seen.values()].filter(
    ({ pair, proof }) => proof === undefined && pair.source.isReadOnly && pair.target.isReadOnly,
  );
  for (const [at, finding] of await look.atContent(readOnly)) seen.set(at, finding);
  return findings.map((finding) => seen.get(finding.pair.sourceAt) ?? finding);
}

type Findings = Map<number, StorageFinding>;

/** Both sides look at their files at the same moment. */
class SharedLook {
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

  #both(witness: Witness, ours: number[], theirs: number[], timeoutMs: number) {
    return Promise.all([
      this.#own.look(witness, ours),
      this.#link.look({ witness, digests: theirs }, timeoutMs),
    ]);
  }
}

function judge(
  findings: readonly StorageFinding[],
  ours: readonly Sight[],
  theirs: readonly Sight[],
  problems: ReadonlyMap<number, string>,
): Findings {
  const judged = findings.map(({ pair }) => {
    const looked: Looked = {
      source: ours[pair.sourceAt] ?? NOTHING,
      target: theirs[pair.targetAt] ?? NOTHING,
      witnessProblem: problems.get(pair.sourceAt),
    };
    return [pair.sourceAt, { pair, looked, proof: proofByLook(pair, looked) }] as const;
  });
  return new Map(judged);
}

const NOTHING: Sight = { hasWitness: false };

function newWitness(): Witness {
  return Witness.parse(`.switchyard-${randomBytes(16).toString("hex")}`);
}
