import { readlink } from "node:fs/promises";
import {
  FILES_MAX,
  hasPath,
  type Inspection,
  type Storage,
  type StoredFile,
  type Witness,
} from "../../core/twin/storage.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { bootId } from "../runtime/process.ts";
import type { MadeImage } from "./copy-images.ts";
import { deviceIds } from "./device-ids.ts";
import { digestOf } from "./digest.ts";
import { type OpenFile, ProcessFiles } from "./open-file.ts";
import { attributesOf, hasWitness, makeWitness, removeWitness } from "./witness.ts";

/** A file of a network file system whose server is away keeps everybody waiting that looks at it. */
const INSPECT_MS = 5_000;
const DIGEST_MS = 45_000;
const PROBLEM_CHARACTERS_MAX = 250;

/** The end of a disk's chain of block nodes. */
export type DiskEnd = {
  /** The place of the disk's device. */
  readonly place: string;
  readonly driver: string;
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly isDirect: boolean;
  readonly ignoresFlush: boolean;
};

type Process = {
  readonly pid: number;
  readonly definition: VmDefinition;
  /** Made by this agent, for a disk that is copied. */
  readonly images?: readonly MadeImage[] | undefined;
};

/** The files of a guest's disks on this host. They are inspected; none is ever opened for writing. */
export class StoredFiles {
  /** What the other side compares. */
  readonly storage: Storage;
  /** At the same places as in `storage`; undefined: not a file, or not found. */
  readonly #open: readonly (OpenFile | undefined)[];
  /** By folder. */
  readonly #witnesses = new Map<string, Promise<void>>();

  private constructor(storage: Storage, open: readonly (OpenFile | undefined)[]) {
    this.storage = storage;
    this.#open = open;
  }

  static async read(
    { pid, definition, images }: Process,
    ends: readonly DiskEnd[],
  ): Promise<StoredFiles> {
    const files = new ProcessFiles(pid);
    const kept = keepsCache(definition);
    const found = await Promise.all(
      ends.slice(0, FILES_MAX).map(async (end) => {
        const { stored, open } = await identify(end, files, kept);
        const isCopy = images?.some(({ path }) => path === end.name) === true;
        return { stored: isCopy ? { ...stored, isCopy: true as const } : stored, open };
      }),
    );
    const network = await readlink(`/proc/${pid}/ns/net`).catch(() => "");
    const storage = {
      kernel: bootId(),
      network,
      files: found.map(({ stored }) => stored),
      filesTotal: ends.length,
    };
    return new StoredFiles(
      storage,
      found.map(({ open }) => open),
    );
  }

  /**
   * Makes the witness in the folder of each of these files. `removeWitness` must follow.
   *
   * @returns why it could not be made, by the file's place in the list
   */
  async makeWitness(name: Witness, at: readonly number[]): Promise<Map<number, string>> {
    const problems = await Promise.all(
      at.map(async (index) => {
        const folder = this.#open[index]?.folder;
        if (folder === undefined) return [index, MOUNTED] as const;
        const making = this.#witnesses.get(folder) ?? makeWitness(folder, name);
        this.#witnesses.set(folder, making);
        return [index, await problemOf(making)] as const;
      }),
    );
    const failed = problems.flatMap(([index, problem]) =>
      problem === undefined ? [] : [[index, problem] as const],
    );
    return new Map(failed);
  }

  /** Also a witness that could not be made in time, when it is made after all. */
  async removeWitness(name: Witness): Promise<void> {
    const removing = [...this.#witnesses].map(([folder, making]) =>
      problemOf(making.then(() => removeWitness(folder, name))),
    );
    await Promise.all(removing);
  }

  /**
   * Inspects all files.
   *
   * @param digests places of the files whose content is to be read
   */
  async inspect(name: Witness, digests: readonly number[]): Promise<Inspection[]> {
    const wanted = new Set(digests);
    const signal = AbortSignal.timeout(DIGEST_MS);
    return await Promise.all(
      this.#open.map(async (file, index) => {
        if (file === undefined) return { hasWitness: false };
        const inspecting = withinMs(INSPECT_MS, see(file, name)).catch(() => ({
          hasWitness: false,
        }));
        const isRegular = file.identity.startsWith("file ");
        const content = isRegular && wanted.has(index) ? await digest(file, signal) : {};
        return { ...(await inspecting), ...content };
      }),
    );
  }
}

const MOUNTED = "the image is a mount point of its own";

async function see({ folder, path }: OpenFile, name: Witness): Promise<Inspection> {
  const [isThere, attributes] = await Promise.all([
    folder === undefined ? false : hasWitness(folder, name),
    attributesOf(path),
  ]);
  return { hasWitness: isThere, ...(attributes === undefined ? {} : { attributes }) };
}

async function digest({ path }: OpenFile, signal: AbortSignal): Promise<Partial<Inspection>> {
  try {
    return { digest: await digestOf(path, signal) };
  } catch (error) {
    return { problem: wordsOf(error) };
  }
}

async function identify(
  end: DiskEnd,
  files: ProcessFiles,
  kept: ReadonlySet<string>,
): Promise<{ stored: StoredFile; open: OpenFile | undefined }> {
  const { place, driver, name, isReadOnly } = end;
  const cache = cacheProblem(end, kept);
  const stored = {
    place,
    driver,
    name,
    isReadOnly,
    ...(cache === undefined ? {} : { unsafeCache: cache }),
  };
  if (!hasPath(driver)) return { stored, open: undefined };
  try {
    const open = await withinMs(INSPECT_MS, files.find(name));
    const { identity, fileSystem, device } = open;
    if (device === undefined) return { stored: { ...stored, identity, fileSystem }, open };
    const ids = await withinMs(INSPECT_MS, deviceIds(device));
    return { stored: { ...stored, identity, deviceIds: ids }, open };
  } catch (error) {
    return { stored: { ...stored, problem: wordsOf(error) }, open: undefined };
  }
}

function cacheProblem(
  { isReadOnly, isDirect, ignoresFlush, driver, name }: DiskEnd,
  kept: ReadonlySet<string>,
): string | undefined {
  if (isReadOnly) return undefined;
  if (ignoresFlush) return "cache.no-flush is on: what the guest wrote may not reach the storage";
  // qapi/block-core.json, BlockdevOptionsFile: drop-cache, on by default since QEMU 4.0.
  const isKept = kept.has(name) || kept.has(ANY_FILE);
  if (!hasPath(driver) || isDirect || !isKept) return undefined;
  return "drop-cache is off without cache.direct: the target may read what it had cached before";
}

const ANY_FILE = "*";

/** Files of the definition whose pages a target keeps in its cache; a placeholder counts as any. */
function keepsCache(definition: VmDefinition): ReadonlySet<string> {
  const names = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const { filename, "drop-cache": dropCache } = value as Record<string, unknown>;
    if (dropCache === false) names.add(typeof filename === "string" ? filename : ANY_FILE);
    for (const inner of Object.values(value)) walk(inner);
  };
  walk(definition.blockdevs);
  return names;
}

/** Undefined when it was done. */
async function problemOf(work: Promise<void>): Promise<string | undefined> {
  return await withinMs(INSPECT_MS, work).then(
    () => undefined,
    (error: unknown) => wordsOf(error),
  );
}

async function withinMs<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`its storage has not answered for ${ms} ms`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function wordsOf(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  return words.slice(0, PROBLEM_CHARACTERS_MAX);
}
