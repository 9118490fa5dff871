import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { HostId } from "../../core/id.ts";
import type { JoinRequest } from "../../core/protocol/identity.ts";
import {
  exportPrivateKey,
  importPrivateKey,
  type KeyId,
  keyIdOf,
  type PublicKey,
  publicKeyOf,
  signText,
} from "../../core/protocol/signature.ts";
import {
  endorsementText,
  requestHeaders,
  requestText,
} from "../../core/protocol/signed-request.ts";
import { replaceFile } from "../durable/replace-file.ts";
import { readSecret } from "./secret-file.ts";

const FILE = "identity.json";
/** Numbers of requests begin at the time of the start: so they grow over restarts, too. */
const NUMBERS_PER_MS = 1_000;

const Stored = z.strictObject({
  format: z.literal(1),
  host: HostId,
  /** PKCS#8, DER, base64. */
  privateKey: z.string().optional(),
  /** A key that the cloud may have accepted: its answer is not known. */
  nextKey: z.string().optional(),
  /** SHA-256 of the join token that the present key came by. */
  usedToken: z.string().optional(),
});
type Stored = z.infer<typeof Stored>;

type Key = { readonly privateKey: KeyObject; readonly publicKey: PublicKey; readonly id: KeyId };

/**
 * The key of this host, which never leaves it: `identity.json` in the state directory, mode 600. Every
 * request is signed with it.
 */
export class Identity {
  readonly #path: string;
  readonly #host: HostId;
  #stored: Stored;
  #key: Key | undefined;
  #sequence = 0;

  /** @throws Error when the file is readable by others, damaged, or another host's */
  constructor(stateDir: string, host: HostId) {
    this.#path = join(stateDir, FILE);
    this.#host = host;
    this.#stored = readStored(this.#path, host);
    const { privateKey } = this.#stored;
    this.#key = privateKey === undefined ? undefined : keyFrom(privateKey, this.#path);
  }

  /** Undefined until this host has joined. */
  get keyId(): KeyId | undefined {
    return this.#key?.id;
  }

  /** A key was made for which the cloud's answer is not known. */
  get isReplacing(): boolean {
    return this.#key !== undefined && this.#stored.nextKey !== undefined;
  }

  /** The present key came by this token. */
  hasUsed(token: string): boolean {
    return this.#key !== undefined && this.#stored.usedToken === hash(token);
  }

  /** Headers that prove that this host sends the body to the path, now. */
  sign(path: string, body: string): Record<string, string> {
    return this.#signWith(this.#required(), path, body);
  }

  /** The cloud has seen a request with this number: the next one is higher. */
  raiseSequence(seen: number): void {
    this.#sequence = Math.max(this.#sequence, seen);
  }

  /**
   * A request by which the host gets another key: for a token, or endorsed by the present one. The key is
   * on the disk before the request is made, and the same until the cloud has answered.
   */
  prepareJoin(path: string, joinToken?: string): { body: string; headers: Record<string, string> } {
    const next = this.#next();
    const { publicKey } = next;
    const request: JoinRequest = {
      host: this.#host,
      publicKey,
      ...(joinToken === undefined ? { endorsement: this.#endorse(publicKey) } : { joinToken }),
    };
    const body = JSON.stringify(request);
    return { body, headers: this.#signWith(next, path, body) };
  }

  /** The cloud has accepted the key of `prepareJoin`: it is the host's from now on. */
  finishJoin(joinToken?: string): void {
    const { nextKey } = this.#stored;
    if (nextKey === undefined) return;
    this.#store({
      privateKey: nextKey,
      ...(joinToken === undefined ? {} : { usedToken: hash(joinToken) }),
    });
    this.#key = keyFrom(nextKey, this.#path);
  }

  /** The cloud will never accept the key of `prepareJoin`. */
  dropNext(): void {
    const { privateKey, usedToken } = this.#stored;
    this.#store({ ...(privateKey && { privateKey }), ...(usedToken && { usedToken }) });
  }

  #signWith({ privateKey, id }: Key, path: string, body: string): Record<string, string> {
    this.#sequence = Math.max(this.#sequence + 1, Date.now() * NUMBERS_PER_MS);
    const proof = { keyId: id, sequence: this.#sequence, at: new Date().toISOString() };
    const text = requestText({ path, host: this.#host, proof, body });
    return {
      [requestHeaders.keyId]: proof.keyId,
      [requestHeaders.sequence]: String(proof.sequence),
      [requestHeaders.at]: proof.at,
      [requestHeaders.signature]: signText(privateKey, text),
    };
  }

  #endorse(next: PublicKey): string {
    return signText(this.#required().privateKey, endorsementText(this.#host, next));
  }

  #next(): Key {
    const { nextKey } = this.#stored;
    if (nextKey !== undefined) return keyFrom(nextKey, this.#path);
    const { privateKey } = generateKeyPairSync("ed25519");
    const text = exportPrivateKey(privateKey);
    const { format: _, host: __, ...rest } = this.#stored;
    this.#store({ ...rest, nextKey: text });
    return keyFrom(text, this.#path);
  }

  #required(): Key {
    if (this.#key !== undefined) return this.#key;
    throw new Error(`${this.#host} has no key yet: its agent has not joined`);
  }

  #store(content: Omit<Stored, "format" | "host">): void {
    const stored: Stored = { format: 1, host: this.#host, ...content };
    replaceFile(this.#path, JSON.stringify(stored), { flush: true });
    this.#stored = stored;
  }
}

function hash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function readStored(path: string, host: HostId): Stored {
  if (!existsSync(path)) return { format: 1, host };
  const parsed = Stored.safeParse(parseJson(readSecret(path, "identity")));
  const cure = `move it away, and join again by a new join token (switchyard host join-token ${host})`;
  if (!parsed.success) throw new Error(`The identity ${path} is damaged: ${cure}`);
  if (parsed.data.host === host) return parsed.data;
  throw new Error(`The identity ${path} is that of ${parsed.data.host}, not of ${host}: ${cure}`);
}

function keyFrom(text: string, path: string): Key {
  try {
    const privateKey = importPrivateKey(text);
    const publicKey = publicKeyOf(privateKey);
    return { privateKey, publicKey, id: keyIdOf(publicKey) };
  } catch (cause) {
    throw new Error(
      `The identity ${path} has no Ed25519 key: move it away, and join again by a new join token`,
      { cause },
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
