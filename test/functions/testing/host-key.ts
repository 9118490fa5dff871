import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { HostId } from "../../../core/id.ts";
import { keyIdOf, publicKeyOf, signText } from "../../../core/protocol/signature.ts";
import {
  endorsementText,
  type RequestProof,
  requestHeaders,
  requestText,
} from "../../../core/protocol/signed-request.ts";

let lastSequence = Date.now() * 1_000;

/** The key of a host's agent, as the agent uses it. */
export class HostKey {
  readonly privateKey: KeyObject = generateKeyPairSync("ed25519").privateKey;
  readonly publicKey = publicKeyOf(this.privateKey);
  readonly id = keyIdOf(this.publicKey);

  /** Headers of a request that has not been sent before. `changed`: instead of the usual values. */
  headers(
    host: HostId,
    path: string,
    body: string,
    changed: Partial<RequestProof> = {},
  ): Record<string, string> {
    lastSequence += 1;
    const proof = {
      keyId: this.id,
      sequence: lastSequence,
      at: new Date().toISOString(),
      ...changed,
    };
    const signature = signText(this.privateKey, requestText({ path, host, proof, body }));
    return {
      [requestHeaders.keyId]: proof.keyId,
      [requestHeaders.sequence]: String(proof.sequence),
      [requestHeaders.at]: proof.at,
      [requestHeaders.signature]: changed.signature ?? signature,
    };
  }

  endorse(host: HostId, next: HostKey): string {
    return signText(this.privateKey, endorsementText(host, next.publicKey));
  }
}
