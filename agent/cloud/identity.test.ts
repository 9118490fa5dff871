import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { HostId } from "../../core/id.ts";
import { JoinRequest } from "../../core/protocol/identity.ts";
import { isSignedBy } from "../../core/protocol/signature.ts";
import {
  endorsementText,
  RequestProof,
  requestHeaders,
  requestText,
} from "../../core/protocol/signed-request.ts";
import { testFolder } from "../testing/folder.ts";
import { Identity } from "./identity.ts";

const host = HostId.parse("host-a");
const token = `syj_${"t".repeat(43)}`;
const PATH = "/agent/v1/join";

let folder: string;
beforeEach(() => {
  folder = testFolder();
});
const open = () => new Identity(folder, host);
const file = () => join(folder, "identity.json");

/** Joins; @returns the key that the cloud was given */
function joined(identity: Identity, joinToken?: string) {
  const { body } = identity.prepareJoin(PATH, joinToken);
  identity.finishJoin(joinToken);
  return JoinRequest.parse(JSON.parse(body)).publicKey;
}

function proofOf(headers: Record<string, string>) {
  const named = Object.entries(requestHeaders).map(([part, name]) => [part, headers[name]]);
  return RequestProof.parse(Object.fromEntries(named));
}

describe("the identity of a host", () => {
  it("has a key of mode 600 that survives the agent", () => {
    const identity = open();
    expect(identity.keyId).toBeUndefined();
    joined(identity, token);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(open().keyId).toBe(identity.keyId);
    expect(readFileSync(file(), "utf8")).not.toContain(token);
  });

  it("signs requests with numbers that grow, over restarts, too", async () => {
    const first = open();
    const publicKey = joined(first, token);
    const bodies = [first.sign("/a", "1"), first.sign("/a", "1")];
    // A restart takes longer than the millisecond that numbers begin with.
    await delay(2);
    bodies.push(open().sign("/a", "1"));
    const proofs = bodies.map(proofOf);
    for (const { signature, ...proof } of proofs) {
      const text = requestText({ path: "/a", host, proof, body: "1" });
      expect(isSignedBy(publicKey, text, signature)).toBe(true);
    }
    const numbers = proofs.map(({ sequence }) => sequence);
    expect(numbers).toEqual([...new Set(numbers)].sort((one, two) => one - two));
  });

  it("goes on above the number that the cloud has seen", () => {
    const identity = open();
    joined(identity, token);
    identity.raiseSequence(Number.MAX_SAFE_INTEGER - 10);
    expect(proofOf(identity.sign("/a", "")).sequence).toBe(Number.MAX_SAFE_INTEGER - 9);
  });

  it("asks with one key until the cloud has answered, over restarts, too", () => {
    const keyOf = (identity: Identity) =>
      JoinRequest.parse(JSON.parse(identity.prepareJoin(PATH, token).body)).publicKey;
    const first = keyOf(open());
    expect(keyOf(open())).toBe(first);
    const identity = open();
    identity.dropNext();
    expect(keyOf(identity)).not.toBe(first);
  });

  it("endorses the next key, and uses the present one until that is accepted", () => {
    const identity = open();
    const present = joined(identity, token);
    const { keyId } = identity;
    const { body } = identity.prepareJoin(PATH);
    const request = JoinRequest.parse(JSON.parse(body));
    expect(request.publicKey).not.toBe(present);
    const word = endorsementText(host, request.publicKey);
    expect(isSignedBy(present, word, request.endorsement ?? "")).toBe(true);
    expect([identity.keyId, identity.isReplacing]).toEqual([keyId, true]);
    expect([open().keyId, open().isReplacing]).toEqual([keyId, true]);
    identity.finishJoin();
    expect([identity.keyId === keyId, identity.isReplacing]).toEqual([false, false]);
  });

  it("knows the token that it came by", () => {
    const identity = open();
    joined(identity, token);
    expect(open().hasUsed(token)).toBe(true);
    expect(open().hasUsed(`syj_${"u".repeat(43)}`)).toBe(false);
  });
});

describe("an identity is refused", () => {
  it("that others can read", () => {
    joined(open(), token);
    chmodSync(file(), 0o640);
    expect(open).toThrow("readable by its owner only, got mode 640");
  });

  it("of another host", () => {
    joined(open(), token);
    expect(() => new Identity(folder, HostId.parse("host-b"))).toThrow(
      /is that of host-a, not of host-b: .*join-token host-b/,
    );
  });

  it.each(["", "{", '{"format":1}', '{"format":1,"host":"host-a","privateKey":"AAAA"}'])(
    "that is damaged: %s",
    (text) => {
      writeFileSync(file(), text, { mode: 0o600 });
      expect(open).toThrow(/identity .*(damaged|no Ed25519 key): move it away/);
    },
  );
});
