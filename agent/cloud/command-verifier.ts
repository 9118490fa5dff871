import { type Command, CommandEnvelope, commandText } from "../../core/protocol/command.ts";
import type { CommandKey } from "../../core/protocol/identity.ts";
import { isSignedBy, type KeyId } from "../../core/protocol/signature.ts";

/** Signed with a key that the control plane has not announced, or has not announced yet. */
export class UnknownKeyError extends Error {
  override name = "UnknownKeyError";
}

/** Accepts commands that the control plane has signed. */
export class CommandVerifier {
  #keys = new Map<KeyId, CommandKey>();

  /** The keys that the control plane has announced last. */
  setKeys(keys: readonly CommandKey[]): void {
    this.#keys = new Map(keys.map((key) => [key.id, key]));
  }

  /**
   * The command of a message. Its host, epoch and expiry are checked when it is taken.
   *
   * @throws UnknownKeyError; Error when it is not signed by that key; SyntaxError, ZodError
   */
  open(text: string): Command {
    const message: unknown = JSON.parse(text);
    const { command, keyId, signature } = CommandEnvelope.parse(message);
    const key = this.#keys.get(keyId);
    if (key === undefined) {
      throw new UnknownKeyError(`${command.verb} is signed with the unknown key ${keyId}`);
    }
    // What was signed is what was sent, and not what the schema has made of it.
    const sent: unknown = Reflect.get(Object(message), "command");
    if (isSignedBy(key.publicKey, commandText(sent), signature)) return command;
    throw new Error(`${command.verb} (${command.id}) is not what the key ${keyId} has signed`);
  }
}
