import { generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "zod";
import { exportPrivateKey, importPrivateKey } from "../core/protocol/signature.ts";
import { damagesOf } from "../emulators/asl/store/check-folder.ts";
import { lockFolder } from "../emulators/asl/store/lock-folder.ts";
import { replaceFile } from "../emulators/asl/store/replace-file.ts";
import { syncFolder } from "../emulators/aws/disk/sync-folder.ts";
import type { Credentials } from "../emulators/aws/http/signature.ts";
import { damageOf } from "../emulators/aws/sqlite/check-database.ts";
import { databasePath } from "../emulators/aws/sqlite/open-database.ts";

/** Of the folder. Later ones are refused; what opens an earlier one goes here, with a test. */
const FORMAT = 1;

/**
 * Says that a folder belongs to a control plane, and to which: each store in it has the same number.
 * `isComplete`: the first start came to its end, so from then on every file must be there.
 */
const Marker = z.strictObject({
  format: z.literal(FORMAT),
  generation: z.int().positive(),
  isComplete: z.boolean(),
});
type Marker = z.infer<typeof Marker>;
const LaterMarker = z.object({ format: z.int().gt(FORMAT) });

const OperatorToken = z.string().regex(/^[\x21-\x7e]{32,}$/);
const AccessKey = z.strictObject({
  accessKeyId: z.string().regex(/^\w{16,128}$/),
  secretAccessKey: z.string().regex(/^[\x21-\x7e]{32,}$/),
});

/** `PRAGMA application_id` of SQLite holds 31 bits. */
const GENERATION_MAX = 2 ** 31 - 1;

/** The services that keep a folder each, by the name that AWS_ENDPOINT_URL_* has for them. */
export type StoredService = "DYNAMODB" | "SQS" | "SFN" | "SCHEDULER";

export type DataFolder = {
  path: string;
  generation: number;
  /** The first start has not come to its end yet. */
  isNew: boolean;
  operatorToken: string;
  accessKey: Credentials;
  signingKey: string;
  /** To be called once all is up. */
  complete(): void;
  close(): void;
};

/** What is wrong with a data folder, as one paragraph for its user. Nothing was changed. */
export class DataFolderError extends Error {
  override name = "DataFolderError";
}

/**
 * Locks the folder of the local control plane and checks every file in it; a new one gets its
 * secrets. A used folder in which a file is missing, emptied, damaged or from another folder is
 * refused as a whole: a control plane without its records would report a fleet without guests.
 *
 * @param services those that keep their data here
 * @throws DataFolderError naming each file, with what to do
 */
export function openDataFolder(path: string, services: readonly StoredService[]): DataFolder {
  makeFolder(path);
  const close = lock(path);
  try {
    return open(path, services, close);
  } catch (error) {
    close();
    throw error;
  }
}

/** Names in the folder. */
export const dataFiles = {
  marker: "switchyard.json",
  operatorToken: "operator-token",
  accessKey: "access-key.json",
  signingKey: "signing-key",
  /** Environment of agents, for `EnvironmentFile=` of systemd. */
  agentEnvironment: "agent.env",
  services: {
    DYNAMODB: "dynamodb",
    SQS: "sqs",
    SFN: "step-functions",
    SCHEDULER: "scheduler",
  },
} as const;

function open(path: string, services: readonly StoredService[], close: () => void): DataFolder {
  const damages: string[] = [];
  const marker = readMarker(path, damages);
  const { generation, isComplete } = marker ?? {
    generation: randomInt(1, GENERATION_MAX),
    isComplete: false,
  };
  const isNew = !isComplete;
  const operatorToken = readSecret(join(path, dataFiles.operatorToken), {
    parse: (text) => OperatorToken.safeParse(text.trim()).data,
    make: isNew ? makeToken : undefined,
    cure: "write a token of at least 32 characters into it (openssl rand -hex 32)",
    damages,
  });
  const accessKey = readSecret(join(path, dataFiles.accessKey), {
    parse: (text) => AccessKey.safeParse(parseJson(text)).data,
    make: isNew ? makeAccessKey : undefined,
    cure:
      'write {"accessKeyId": …, "secretAccessKey": …} into it, of 16 and 32 characters or more, ' +
      "and restart the agents with the new agent.env",
    damages,
  });
  const signingKey = readSecret(join(path, dataFiles.signingKey), {
    parse: (text) => parseSigningKey(text.trim()),
    // Agents learn another key from the next heartbeat: nothing is lost with it.
    make: makeSigningKey,
    cure: "remove it: another one is made, which agents learn by themselves",
    damages,
  });
  for (const service of services) damages.push(...damagesIn(path, service, { generation, isNew }));
  if (damages.length > 0 || !operatorToken || !accessKey || !signingKey) {
    throw refusal(path, damages);
  }
  if (marker === undefined) writeMarker(path, { format: FORMAT, generation, isComplete: false });
  replaceFile(join(path, dataFiles.operatorToken), `${operatorToken}\n`, { flush: true });
  replaceFile(join(path, dataFiles.accessKey), JSON.stringify(accessKey), { flush: true });
  replaceFile(join(path, dataFiles.signingKey), `${signingKey}\n`, { flush: true });
  return {
    path,
    generation,
    isNew,
    operatorToken,
    accessKey,
    signingKey,
    complete: () => {
      if (isNew) writeMarker(path, { format: FORMAT, generation, isComplete: true });
    },
    close,
  };
}

function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    syncFolder(dirname(made));
    if (made === first) return;
  }
}

function lock(path: string): () => void {
  try {
    return lockFolder(path);
  } catch (error) {
    throw new DataFolderError((error as Error).message);
  }
}

function refusal(path: string, damages: readonly string[]): DataFolderError {
  return new DataFolderError(
    `The data folder ${path} cannot be used; nothing was changed. ${damages.join(". ")}. ` +
      "Unless a file has a cure of its own above, restore the whole folder from one backup " +
      "(docs/operate/data-folder.md)",
  );
}

/** Undefined: the folder is new, or its marker is damaged. */
function readMarker(path: string, damages: string[]): Marker | undefined {
  const file = join(path, dataFiles.marker);
  if (existsSync(file)) {
    const content = parseJson(readFileSync(file, "utf8"));
    const marker = Marker.safeParse(content);
    if (!marker.success) damages.push(`${file} ${damageOfMarker(content)}`);
    return marker.data;
  }
  const others = [dataFiles.accessKey, ...Object.values(dataFiles.services)];
  const found = others.filter((name) => existsSync(join(path, name)));
  if (found.length > 0) {
    damages.push(`${file} is missing, but the folder is not new: it has ${found.join(", ")}`);
  }
  return undefined;
}

function damageOfMarker(content: unknown): string {
  const later = LaterMarker.safeParse(content);
  if (!later.success) return "is damaged";
  return (
    `is of a later version of Switchyard (format ${later.data.format}, this one knows ${FORMAT}): ` +
    "start that version, or restore the backup of before the upgrade"
  );
}

function damagesIn(
  path: string,
  service: StoredService,
  options: { generation: number; isNew: boolean },
): string[] {
  const folder = join(path, dataFiles.services[service]);
  if (service === "SFN") {
    return damagesOf(folder, options).map(({ file, what }) => `${file} ${what}`);
  }
  const file = databasePath(folder, dataFiles.services[service]);
  // What it holds is in the table, too; folders of older control planes have none.
  const isNew = options.isNew || service === "SCHEDULER";
  const what = damageOf(file, { ...options, isNew });
  return what === undefined ? [] : [`${file} ${what}`];
}

/** Undefined after a damage was added. */
function readSecret<T>(
  file: string,
  options: {
    parse: (text: string) => T | undefined;
    /** For a file that may be missing. */
    make: (() => T) | undefined;
    cure: string;
    damages: string[];
  },
): T | undefined {
  const { parse, make, cure, damages } = options;
  const isThere = existsSync(file);
  if (!isThere && make !== undefined) return make();
  const secret = isThere ? parse(readFileSync(file, "utf8")) : undefined;
  const what = isThere ? "is empty, too short or damaged" : "is missing";
  if (secret === undefined) damages.push(`${file} ${what}: ${cure}`);
  return secret;
}

export function makeToken(): string {
  return randomBytes(32).toString("base64url");
}

export function makeSigningKey(): string {
  return exportPrivateKey(generateKeyPairSync("ed25519").privateKey);
}

function parseSigningKey(text: string): string | undefined {
  try {
    importPrivateKey(text);
    return text;
  } catch {
    return undefined;
  }
}

export function makeAccessKey(): Credentials {
  const accessKeyId = `LOCAL${randomBytes(8).toString("hex").toUpperCase()}`;
  return { accessKeyId, secretAccessKey: makeToken() };
}

function writeMarker(path: string, marker: Marker): void {
  replaceFile(join(path, dataFiles.marker), JSON.stringify(marker), { flush: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
