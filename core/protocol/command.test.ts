import { describe, expect, it } from "vitest";
import { CommandEnvelope, Verb, verbs } from "./command.ts";

const envelope = {
  version: 1,
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
  ["another version", { version: 2 }],
  ["an unknown verb", { command: { ...envelope.command, verb: "qmp.execute" } }],
  ["a negative epoch", { command: { ...envelope.command, epoch: -1 } }],
  ["no expiry", { command: { ...envelope.command, expiresAt: undefined } }],
  ["an unknown field", { command: { ...envelope.command, shell: "true" } }],
])("a command with %s is refused", (_, wrong) => {
  expect(CommandEnvelope.safeParse({ ...envelope, ...wrong }).success).toBe(false);
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
