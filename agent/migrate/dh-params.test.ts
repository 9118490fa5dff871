import { getDiffieHellman } from "node:crypto";
import { expect, it } from "vitest";
import { dhParams } from "./dh-params.ts";

it("the parameters of a key exchange are a group's prime and generator in PKCS #3", () => {
  const [begin, ...rest] = dhParams().trimEnd().split("\n");
  expect([begin, rest.at(-1)]).toEqual([
    "-----BEGIN DH PARAMETERS-----",
    "-----END DH PARAMETERS-----",
  ]);
  const der = Buffer.from(rest.slice(0, -1).join(""), "base64");
  const prime = getDiffieHellman("modp14").getPrime();
  // A sequence of 264 bytes: the prime, with a zero that says it is positive, and the generator 2.
  expect(der.toString("hex")).toBe(`308201080282010100${prime.toString("hex")}020102`);
});
