import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { SQSClient } from "@aws-sdk/client-sqs";
import { expect, it } from "vitest";
import { HostId } from "../../core/id.ts";
import { requestHeaders } from "../../core/protocol/signed-request.ts";
import { createSignatureCheck, type ReceivedRequest } from "../../emulators/aws/http/signature.ts";
import { testFolder } from "../testing/folder.ts";
import { CloudApi } from "./api.ts";
import { requestSigner } from "./signer.ts";
import { joinedIdentity } from "./testing/joined-identity.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const check = createSignatureCheck(credentials, "execute-api");

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** Posts no events with a signature; returns the request as the server got it. */
async function signedRequest(): Promise<ReceivedRequest> {
  const received = Promise.withResolvers<ReceivedRequest>();
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    received.resolve({ method, url, headers, body: await bodyOf(request) });
    response.end(JSON.stringify({ acceptedSeq: 0 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sqs = new SQSClient({ region: "eu-central-1", credentials });
  const api = new CloudApi({
    apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    host: HostId.parse("host-a"),
    identity: joinedIdentity(testFolder(), HostId.parse("host-a")),
    instance: "one",
    sign: requestSigner(sqs),
  });
  try {
    await api.postEvents([], AbortSignal.timeout(10_000));
    return await received.promise;
  } finally {
    sqs.destroy();
    server.close();
  }
}

it("signs what an agent posts for API Gateway, the host's own signature with it", async () => {
  const request = await signedRequest();
  await expect(check(request)).resolves.toBeUndefined();
  expect(request.headers[requestHeaders.signature]).toMatch(/^[\w-]{86}$/);
  const stolen = { ...request.headers, [requestHeaders.signature]: "A".repeat(86) };
  await expect(check({ ...request, headers: stolen })).rejects.toThrow("does not match");
  await expect(check({ ...request, body: `${request.body} ` })).rejects.toThrow();
});
