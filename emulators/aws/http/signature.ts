/**
 * Checks AWS Signature Version 4: the SDK's own signer signs the received request again with the
 * access key that it names, and the two signatures must be equal.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv4.html
 *
 * The age of a signature is not checked; AWS refuses one that is older than a few minutes.
 */
import { createHash, createHmac, type Hash, type Hmac, timingSafeEqual } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";

/** An access key. */
export type Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
};

/** A request as it came over HTTP. */
export type ReceivedRequest = {
  readonly method: string | undefined;
  /** Path and query, as on the request line. */
  readonly url: string | undefined;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};

/** The request is not signed with the known access key; `name` is AWS's name of the error. */
export class SignatureError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/** Who holds an access key that may not do everything. */
export type Principal = {
  readonly secretAccessKey: string;
  /** @param input the operation's input as it came, not checked yet */
  mayCall(operation: string, input: unknown): boolean;
};

/** Undefined for a key that nobody holds, or holds any more. */
export type FindPrincipal = (accessKeyId: string) => Promise<Principal | undefined>;

/**
 * Resolves to the principal whose rights count; to undefined for the service's own access key, which
 * may do everything.
 *
 * @throws SignatureError (the promise rejects with it) if the request's signature is not valid
 */
export type SignatureCheck = (request: ReceivedRequest) => Promise<Principal | undefined>;

/**
 * @param service the name that requests to the service are signed with, such as `dynamodb`
 * @param findPrincipal knows all other access keys
 */
export function createSignatureCheck(
  credentials: Credentials,
  service: string,
  findPrincipal: FindPrincipal = async () => undefined,
): SignatureCheck {
  return async (request) => {
    const authorization = parseAuthorization(text(request.headers.authorization));
    const { accessKeyId } = authorization;
    const isOwn = accessKeyId === credentials.accessKeyId;
    const principal = isOwn ? undefined : await findPrincipal(accessKeyId);
    if (!isOwn && principal === undefined) {
      throw unknownKey();
    }
    if (authorization.service !== service) {
      throw invalid(`Credential should be scoped to correct service: '${service}'.`);
    }
    requireSignedHeaders(request, authorization.signedHeaders);
    requireBodyHash(request);
    const { secretAccessKey } = principal ?? credentials;
    const expected = await sign(request, authorization, { accessKeyId, secretAccessKey });
    if (areEqual(expected, authorization.signature)) return principal;
    throw invalid(
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    );
  };
}

/** The answer to an access key that nobody holds, or that does not count here. */
export function unknownKey(): SignatureError {
  return new SignatureError(
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
  );
}

type Authorization = {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
};

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/\d{8}\/([^/,\s]+)\/([^/,\s]+)\/aws4_request, *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})$/;

function parseAuthorization(header: string | undefined): Authorization {
  if (header === undefined) {
    throw new SignatureError(
      "MissingAuthenticationTokenException",
      "Request is missing Authentication Token",
    );
  }
  const match = AUTHORIZATION.exec(header);
  if (!match) {
    const message = "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.";
    throw new SignatureError("IncompleteSignatureException", message);
  }
  const [, accessKeyId = "", region = "", service = "", signedHeaders = "", signature = ""] = match;
  return { accessKeyId, region, service, signedHeaders: signedHeaders.split(";"), signature };
}

/** The headers that decide what the request does must be signed: the host, and AWS's own. */
function requireSignedHeaders(request: ReceivedRequest, signed: readonly string[]): void {
  for (const name of Object.keys(request.headers)) {
    if (name !== "host" && !name.startsWith("x-amz-")) continue;
    if (signed.includes(name)) continue;
    throw invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`);
  }
}

/** The signer takes the body's hash from this header, so the header must be true. */
function requireBodyHash({ headers, body }: ReceivedRequest): void {
  const named = text(headers["x-amz-content-sha256"]);
  if (named === undefined) return;
  if (named === createHash("sha256").update(body).digest("hex")) return;
  throw invalid("The value of 'x-amz-content-sha256' is not the hash of the request's body.");
}

/** The signature that the request must have, for the scope and headers that it names. */
export function signatureOf(request: ReceivedRequest, credentials: Credentials): Promise<string> {
  return sign(request, parseAuthorization(text(request.headers.authorization)), credentials);
}

async function sign(
  request: ReceivedRequest,
  authorization: Authorization,
  credentials: Credentials,
): Promise<string> {
  const { region, service, signedHeaders } = authorization;
  const signer = new SignatureV4({
    credentials,
    region,
    service,
    sha256: NodeSha256,
    applyChecksum: false,
  });
  const url = new URL(request.url ?? "/", "http://localhost");
  const headers = Object.fromEntries(
    signedHeaders.map((name) => [name, text(request.headers[name]) ?? ""]),
  );
  const signed = await signer.sign(
    {
      method: request.method ?? "GET",
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers,
      body: request.body,
    },
    { signingDate: dateOf(request), signableHeaders: new Set(signedHeaders) },
  );
  return /Signature=([0-9a-f]{64})$/.exec(signed.headers.authorization ?? "")?.[1] ?? "";
}

/** `X-Amz-Date` is a basic ISO 8601 time, such as `20300101T000000Z`. */
function dateOf({ headers }: ReceivedRequest): Date {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text(headers["x-amz-date"]) ?? "");
  if (match) {
    const [year, month, day, hour, minute, second] = match.slice(1);
    return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  }
  const message = "Authorization header requires existence of a valid 'X-Amz-Date' header.";
  throw new SignatureError("IncompleteSignatureException", message);
}

/** Node's SHA-256, with a secret HMAC-SHA-256, in the form that the signer takes. */
class NodeSha256 {
  #hash: Hash | Hmac;
  readonly #start: () => Hash | Hmac;

  constructor(secret?: unknown) {
    this.#start = () =>
      secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
    this.#hash = this.#start();
  }

  update(data: unknown): void {
    this.#hash.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = this.#start();
  }
}

function bytesOf(data: unknown): string | Uint8Array {
  if (typeof data === "string") return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return data as Uint8Array;
}

function areEqual(expected: string, actual: string): boolean {
  return expected.length === actual.length && timingSafeEqual(hex(expected), hex(actual));
}

const hex = (text: string) => Buffer.from(text, "hex");

function invalid(message: string): SignatureError {
  return new SignatureError("InvalidSignatureException", message);
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(",") : header;
}
