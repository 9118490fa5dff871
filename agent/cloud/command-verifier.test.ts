import { generateKeyPairSync } from "node:crypto";
import { beforeEach, expect, it } from "vitest";
import { Command, commandText } from "../../core/protocol/command.ts";
import { keyIdOf, publicKeyOf, signText } from "../../core/protocol/signature.ts";
import { CommandVerifier, UnknownKeyError } from "./command-verifier.ts";

const makeKey = () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const publicKey = publicKeyOf(privateKey);
  return { privateKey, publicKey, id: keyIdOf(publicKey) };
};
const announced = makeKey();
const other = makeKey();
const command = Command.parse({
  id: "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX.start.1",
  host: "host-a",
  vm: "web1",
  epoch: 3,
  verb: "guest.stop",
  args: { mode: "quit" },
  issuedAt: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-01-01T00:01:00.000Z",
});

let verifier: CommandVerifier;
beforeEach(() => {
  verifier = new CommandVerifier();
  verifier.setKeys([announced]);
});

/** A message, signed; then changed. */
function message(by = announced, changed: object = {}): string {
  const signature = signText(by.privateKey, commandText(command));
  return JSON.stringify({ version: 2, command, keyId: by.id, signature, ...changed });
}

it("a command that the control plane has signed is accepted", () => {
  expect(verifier.open(message())).toEqual(command);
});

it.each<[string, object]>([
  ["for another host", { host: "host-b" }],
  ["of another epoch", { epoch: 4 }],
  ["that expires later", { expiresAt: "2027-01-01T00:00:00.000Z" }],
  ["that was issued at another time", { issuedAt: "2027-01-01T00:00:00.000Z" }],
  ["with another id", { id: "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX.start.2" }],
  ["with another verb", { verb: "source.cancel" }],
  ["about another VM", { vm: "web2" }],
  ["with other arguments", { args: { mode: "powerdown" } }],
])("a command %s than was signed is refused", (_, changed) => {
  const text = message(announced, { command: { ...command, ...changed } });
  expect(() => verifier.open(text)).toThrow("is not what the key");
});

it("a command that was signed with another key is refused, whatever key it names", () => {
  expect(() => verifier.open(message(other))).toThrow(UnknownKeyError);
  expect(() => verifier.open(message(other, { keyId: announced.id }))).toThrow("is not what");
});

it.each([
  ["without a signature", { signature: undefined }],
  ["of the format that had none", { version: 1, keyId: undefined, signature: undefined }],
])("a command %s is refused", (_, changed) => {
  expect(() => verifier.open(message(announced, changed))).toThrow();
});

it("a key that is not announced any more is not accepted", () => {
  verifier.setKeys([other]);
  expect(() => verifier.open(message())).toThrow(UnknownKeyError);
  expect(verifier.open(message(other))).toEqual(command);
});
