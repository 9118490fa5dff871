import type { Json } from "./expectation.ts";
import type { Pair, PairOptions } from "./pair.ts";
import type { Stage } from "./stage.ts";

export const USER = "someone";
export const KEY = `${USER}:${"ab".repeat(32)}\n`;
/** The parameter that names the credentials of `psk`. */
export const named = { "tls-creds": "tls" };
export const psk = { "qom-type": "tls-creds-psk", id: "tls" };

/** A pair in which the source, the target or both have a key. */
export async function pairWithKeys(
  stage: Stage,
  keys: { source?: string; target?: string },
  options: PairOptions = {},
): Promise<Pair> {
  const pair = await stage.pair({
    capabilities: ["return-path"],
    ...(keys.source === undefined ? {} : { parameters: named }),
    ...(keys.target === undefined ? {} : { targetParameters: named }),
    ...options,
  });
  const make = async (side: "source" | "target", properties: Record<string, Json>) => {
    const text = keys[side];
    if (text === undefined) return;
    const dir = await stage.files({ "keys.psk": text });
    const answer = pair[side].ask("object-add", { ...psk, dir, ...properties });
    await stage.expect(`key of the ${side}`, answer, "ok");
  };
  await make("source", { endpoint: "client", username: USER });
  await make("target", { endpoint: "server" });
  return pair;
}
