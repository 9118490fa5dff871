import { expect, it } from "vitest";
import { createSignatureCheck, type ReceivedRequest } from "./signature.ts";

// The case `get-vanilla` of AWS's "Signature Version 4 test suite".
const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};
const check = createSignatureCheck(credentials, "service");
const SCOPE = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";

const signed: ReceivedRequest = {
  method: "GET",
  url: "/",
  headers: {
    host: "example.amazonaws.com",
    "x-amz-date": "20150830T123600Z",
    authorization: `AWS4-HMAC-SHA256 Credential=${SCOPE}, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31`,
  },
  body: "",
};

function withHeaders(headers: Record<string, string | undefined>): ReceivedRequest {
  return { ...signed, headers: { ...signed.headers, ...headers } };
}

it("accepts the published example", async () => {
  await expect(check(signed)).resolves.toBeUndefined();
});

it.each<[string, ReceivedRequest]>([
  ["method", { ...signed, method: "POST" }],
  ["path", { ...signed, url: "/other" }],
  ["query", { ...signed, url: "/?a=1" }],
  ["body", { ...signed, body: "{}" }],
  ["a signed header", withHeaders({ host: "other.amazonaws.com" })],
  ["the date", withHeaders({ "x-amz-date": "20150830T123601Z" })],
  ["a header of AWS's that is not signed", withHeaders({ "x-amz-target": "Service.DoIt" })],
  ["a hash that is not the body's", withHeaders({ "x-amz-content-sha256": "0".repeat(64) })],
])("refuses a change of %s", async (_, request) => {
  await expect(check(request)).rejects.toMatchObject({ name: "InvalidSignatureException" });
});

it("refuses another service's signature", async () => {
  const other = createSignatureCheck(credentials, "other");
  await expect(other(signed)).rejects.toMatchObject({ name: "InvalidSignatureException" });
});

it("refuses a signature that another secret made", async () => {
  const other = createSignatureCheck({ ...credentials, secretAccessKey: "other" }, "service");
  await expect(other(signed)).rejects.toMatchObject({ name: "InvalidSignatureException" });
});

it.each([
  ["no signature", undefined, "MissingAuthenticationTokenException"],
  ["another scheme", "Bearer token", "IncompleteSignatureException"],
  [
    "an unknown access key",
    signed.headers.authorization?.toString().replace("AKIDEXAMPLE", "AKIDOTHER"),
    "UnrecognizedClientException",
  ],
])("refuses %s", async (_, authorization, name) => {
  await expect(check(withHeaders({ authorization }))).rejects.toMatchObject({ name });
});
