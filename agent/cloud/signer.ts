import type { SQSClient } from "@aws-sdk/client-sqs";
import { SignatureV4 } from "@smithy/signature-v4";

/** Returns the headers to send: those given, and the signature. */
export type SignRequest = (request: {
  url: URL;
  headers: Record<string, string>;
  body: string;
}) => Promise<Record<string, string>>;

/** Signs POST requests for API Gateway with the credentials and the region of an AWS client. */
export function requestSigner({ config }: SQSClient): SignRequest {
  const { credentials, region, sha256 } = config;
  const signer = new SignatureV4({ credentials, region, sha256, service: "execute-api" });
  return async ({ url, headers, body }) => {
    const signed = await signer.sign({
      method: "POST",
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      headers: { ...headers, host: url.host },
      body,
    });
    const { host: _, ...others } = signed.headers;
    return others;
  };
}
