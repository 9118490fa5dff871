import type { KeyObject } from "node:crypto";
import { type Command, type CommandEnvelope, commandText } from "../../core/protocol/command.ts";
import type { CommandKey } from "../../core/protocol/identity.ts";
import { importPrivateKey, keyIdOf, publicKeyOf, signText } from "../../core/protocol/signature.ts";
import { config } from "./config.ts";

type Signer = { readonly key: KeyObject; readonly id: string; readonly publicKey: string };

let cached: Signer | undefined;

/** @throws Error when this function was given no key, or it is not an Ed25519 key */
function signer(): Signer {
  cached ??= readSigner();
  return cached;
}

function readSigner(): Signer {
  const { commandSigningKey } = config();
  if (commandSigningKey === undefined) {
    throw new Error("Expected COMMAND_SIGNING_KEY to be set: this function sends commands");
  }
  const key = importPrivateKey(commandSigningKey);
  const publicKey = publicKeyOf(key);
  return { key, publicKey, id: keyIdOf(publicKey) };
}

/** @throws Error without a signing key */
export function signCommand(command: Command): CommandEnvelope {
  const { key, id } = signer();
  // What JSON leaves out must not be signed.
  const sent: unknown = JSON.parse(JSON.stringify(command));
  return { version: 2, command, keyId: id, signature: signText(key, commandText(sent)) };
}

/** The keys whose commands agents are to accept: the present one first. */
export function commandKeys(): CommandKey[] {
  const all = new Set([signer().publicKey, ...config().commandKeys]);
  return [...all].map((publicKey) => ({ id: keyIdOf(publicKey), publicKey }));
}
