import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CommandEnvelope, commandText, Verb, verbs } from "./command.ts";
import { isSignedBy, publicKeyOf, signText } from "./signature.ts";

const envelope = {
  version: 2,
  keyId: "0123456789abcdef",
  signature: "A".repeat(86),
  command: {
    id: "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX.start.1",
    host: "host-a",
    vm: "web1",
    epoch: 1,
    verb: "source.cancel",
    args: {},
    issuedAt: "2026-01-01T00:00:00.000Z",
    expiresAt: "2026-01-01T00:01:00.000Z",
  },
};

it("a command is parsed as it was sent", () => {
  expect(CommandEnvelope.parse(envelope)).toEqual(envelope);
});

it.each([
  ["another version", { version: 1 }],
  ["no signature", { signature: undefined }],
  ["an unknown verb", { command: { ...envelope.command, verb: "qmp.execute" } }],
  ["a negative epoch", { command: { ...envelope.command, epoch: -1 } }],
  ["no expiry", { command: { ...envelope.command, expiresAt: undefined } }],
  ["an unknown field", { command: { ...envelope.command, shell: "true" } }],
])("a command with %s is refused", (_, wrong) => {
  expect(CommandEnvelope.safeParse({ ...envelope, ...wrong }).success).toBe(false);
});

it("a command's signature survives its way through JSON, whatever its arguments are", () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = publicKeyOf(privateKey);
  fc.assert(
    fc.property(fc.json(), (args) => {
      const command = { ...envelope.command, args: JSON.parse(args) };
      const signature = signText(privateKey, commandText(command));
      const sent = JSON.stringify({ command, signature });
      return isSignedBy(key, commandText(JSON.parse(sent).command), signature);
    }),
  );
});

describe.each(Verb.options)("%s", (verb) => {
  it("takes no argument that it does not have", () => {
    const parsed = verbs[verb].args.safeParse({ command: "quit" });
    const codes = parsed.error?.issues.map(({ code }) => code);
    expect(codes).toContain("unrecognized_keys");
  });
});

it.each([
  ["tcp:127.0.0.1:4444", true],
  ["tcp:[fd00::1]:4444", true],
  ["exec:cat", false],
  ["unix:/tmp/socket", false],
  ["tcp:host a:1", false],
])("the source migrates to %s: %s", (migrationUri, expected) => {
  const { migrationUri: schema } = verbs["source.start"].args.shape;
  expect(schema.safeParse(migrationUri).success).toBe(expected);
});
