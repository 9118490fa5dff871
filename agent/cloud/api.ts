import * as z from "zod";
import type { HostId, VmId } from "../../core/id.ts";
import type { AgentEvent } from "../../core/protocol/event.ts";
import type { HostFacts } from "../../core/protocol/host.ts";
import { Checked, HeartbeatAnswer, Joined, Registered } from "../../core/protocol/identity.ts";
import type { RequestOutcome } from "../metrics/tally.ts";
import { pause } from "../runtime/backoff.ts";
import type { Identity } from "./identity.ts";
import type { SignRequest } from "./signer.ts";

const Superseded = z.object({ code: z.literal("superseded") });
const Replayed = z.object({
  code: z.literal("request-replayed"),
  lastSequence: z.int().nonnegative(),
});
const ClockSkew = z.object({ code: z.literal("clock-skew") });
const JoinRefused = z.object({ code: z.literal("join-refused") });
const JOIN_PATH = "/agent/v1/join";
const CHECK_PATH = "/agent/v1/check";
const Gap = z.object({ code: z.literal("event-gap"), expectedSeq: z.int().positive() });
/** An answer of the control plane itself, not of a proxy before it. */
const Unfit = z.object({ code: z.enum(["invalid", "malformed-json", "body-too-large"]) });
const Problem = z.object({ detail: z.string() });
/** Statuses that a repeated request would get again. */
const FINAL_STATUSES = new Set([400, 401, 403, 404, 413, 422]);
/** Accepted events count for this long: most commands of a migration wait for no question. */
const NEWEST_MS = 1_000;
/** A cloud that does not answer must not hold a command for long. */
const NEWEST_TIMEOUT_MS = 2_000;
/** A pause that the cloud asks for is not longer: its clock, or a proxy's, may be wrong. */
const PAUSE_MS_MAX = 60_000;
const Accepted = z.object({ acceptedSeq: z.int().nonnegative() });

/** The cloud refused, and would refuse again; for example because the host's key was revoked. */
export class CloudRefusedError extends Error {
  override name = "CloudRefusedError";
  /** The control plane itself has read the request and will never accept it. */
  readonly isUnfit: boolean;

  constructor(message: string, isUnfit: boolean) {
    super(message);
    this.isUnfit = isUnfit;
  }
}

/** The cloud accepts no key by this token or endorsement. */
export class JoinRefusedError extends CloudRefusedError {
  override name = "JoinRefusedError";
}

/** The cloud has fewer events of this host than the host assumes: it was restored, or set up again. */
export class EventGapError extends Error {
  override name = "EventGapError";
  readonly expectedSeq: number;

  constructor(expectedSeq: number) {
    super(`The cloud expects event ${expectedSeq} next`);
    this.expectedSeq = expectedSeq;
  }
}

/** The cloud has seen a request with this number, or a higher one. */
class ReplayedError extends Error {
  override name = "ReplayedError";
  readonly lastSequence: number;

  constructor(lastSequence: number) {
    super(`The cloud expects a request with a number above ${lastSequence}`);
    this.lastSequence = lastSequence;
  }
}

/** Another process has registered as this host's agent since: this one must do nothing more. */
export class SupersededError extends Error {
  override name = "SupersededError";
}

type Signed = { readonly body: string; readonly headers: Record<string, string> };

/** The calls that an agent makes. All connections go from the agent to the cloud. */
export class CloudApi {
  readonly #base: string;
  readonly #host: HostId;
  readonly #identity: Identity;
  readonly #instance: string;
  readonly #timeoutMs: number;
  readonly #sign: SignRequest | undefined;
  readonly #pause: typeof pause;
  readonly #onRequest: (outcome: RequestOutcome) => void;
  #acceptedMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  /** The cloud has asked for a pause until then, by performance.now(). */
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /** `instance`: random, of this process; the newest one that has registered is the host's agent. */
  constructor(options: {
    apiUrl: string;
    host: HostId;
    identity: Identity;
    instance: string;
    timeoutMs?: number;
    /** Default: waits. */
    pause?: typeof pause;
    /** For an API behind an IAM authorizer. */
    sign?: SignRequest | undefined;
    /** Told how each request has ended. */
    onRequest?: (outcome: RequestOutcome) => void;
  }) {
    this.#base = options.apiUrl.replace(/\/$/, "");
    this.#host = options.host;
    this.#identity = options.identity;
    this.#instance = options.instance;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#sign = options.sign;
    this.#onRequest = options.onRequest ?? (() => undefined);
    this.#pause = options.pause ?? pause;
  }

  /**
   * Makes this host a key and has it accepted: for a join token, or in place of the present key. Repeated
   * after an answer that was lost, it goes on with the same key.
   *
   * @throws JoinRefusedError: the key will not be accepted, and is forgotten
   */
  async join(signal: AbortSignal, joinToken?: string): Promise<void> {
    const { body, headers } = this.#identity.prepareJoin(JOIN_PATH, joinToken);
    try {
      await this.#send(JOIN_PATH, { body, headers }, Joined, signal);
    } catch (error) {
      if (error instanceof JoinRefusedError) this.#identity.dropNext();
      throw error;
    }
    this.#identity.finishJoin(joinToken);
  }

  /**
   * Registers this host with its guests. @returns its queue, the number of its last event that the
   * cloud has, and the time by the cloud's clock
   */
  register(
    own: { facts: HostFacts; guests: VmId[]; heartbeatMs: number },
    signal: AbortSignal,
  ): Promise<Registered> {
    const body = { host: this.#host, ...own, instance: this.#instance };
    return this.#post("/agent/v1/register", body, Registered, signal);
  }

  /** Lets the cloud hear this host. @returns what the cloud asks of its identity */
  heartbeat(signal: AbortSignal): Promise<z.infer<typeof HeartbeatAnswer>> {
    const body = { host: this.#host, instance: this.#instance };
    return this.#post("/agent/v1/heartbeat", body, HeartbeatAnswer, signal);
  }

  /** Asks with the host's key who this host is. An agent that runs beside it does not notice. */
  check(signal: AbortSignal): Promise<Checked> {
    const body = JSON.stringify({ host: this.#host });
    const headers = this.#identity.sign(CHECK_PATH, body);
    return this.#send(CHECK_PATH, { body, headers }, Checked, signal);
  }

  /** Sends events. @returns the number of the last event that the cloud has accepted */
  async postEvents(events: AgentEvent[], signal: AbortSignal): Promise<number> {
    const body = { version: 1, host: this.#host, instance: this.#instance, events };
    const { acceptedSeq } = await this.#post("/agent/v1/events", body, Accepted, signal);
    this.#acceptedMs = performance.now();
    return acceptedSeq;
  }

  /**
   * To be called before a command is carried out: two agents with one key share the host's queue. The
   * cloud is asked, unless it has just accepted events of this process. A cloud that does not answer
   * is no reason to refuse a command.
   *
   * @throws SupersededError
   */
  async requireNewest(): Promise<void> {
    if (performance.now() - this.#acceptedMs < NEWEST_MS) return;
    this.#asking ??= this.postEvents([], AbortSignal.timeout(NEWEST_TIMEOUT_MS))
      .then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof SupersededError) throw error;
        },
      )
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  /** Signs and sends. Once more when the key was replaced meanwhile, or the number was used before. */
  async #post<T>(
    path: string,
    content: object,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const body = JSON.stringify(content);
    const sign = () => ({ body, headers: this.#identity.sign(path, body) });
    const { keyId } = this.#identity;
    try {
      return await this.#send(path, sign(), schema, signal);
    } catch (error) {
      if (error instanceof ReplayedError) this.#identity.raiseSequence(error.lastSequence);
      else if (!(error instanceof CloudRefusedError)) throw error;
      // The answer by which the key was replaced was lost.
      else if (this.#identity.isReplacing) await this.join(signal);
      else if (keyId === this.#identity.keyId) throw error;
      return this.#send(path, sign(), schema, signal);
    }
  }

  async #send<T>(
    path: string,
    signed: Signed,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    try {
      const answer = await this.#request(path, signed, schema, signal);
      this.#onRequest("accepted");
      return answer;
    } catch (error) {
      this.#onRequest(isRefusal(error) ? "refused" : "failed");
      throw error;
    }
  }

  async #request<T>(
    path: string,
    { body, headers }: Signed,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const waitMs = this.#notBeforeMs - performance.now();
    if (waitMs > 0) await this.#pause(waitMs, signal);
    const url = new URL(`${this.#base}${path}`);
    const all = { "content-type": "application/json", ...headers };
    const response = await fetch(url, {
      method: "POST",
      headers: this.#sign === undefined ? all : await this.#sign({ url, headers: all, body }),
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]),
    });
    const answer = await response.text();
    if (response.ok) return schema.parse(JSON.parse(answer));
    if (response.status === 429) this.#pauseFor(response.headers.get("retry-after"));
    throw refusalOf({ status: response.status, answer, what: `${path} of ${this.#host}`, url });
  }

  /** @param seconds as the header says; API Gateway names none */
  #pauseFor(seconds: string | null): void {
    const ms = Number(seconds ?? 1) * 1_000 || 1_000;
    this.#notBeforeMs = performance.now() + Math.min(ms, PAUSE_MS_MAX);
  }
}

/** The control plane has answered, and does not do what was asked. */
function isRefusal(error: unknown): boolean {
  return [CloudRefusedError, EventGapError, ReplayedError, SupersededError].some(
    (kind) => error instanceof kind,
  );
}

function refusalOf(refused: { status: number; answer: string; what: string; url: URL }): Error {
  const { status, answer, what, url } = refused;
  const problem = parseJson(answer);
  if (status === 409) {
    if (Superseded.safeParse(problem).success) return new SupersededError(reasonOf(answer));
    const gap = Gap.safeParse(problem);
    if (gap.success) return new EventGapError(gap.data.expectedSeq);
    const replayed = Replayed.safeParse(problem);
    if (replayed.success) return new ReplayedError(replayed.data.lastSequence);
  }
  const message = `${url.host} refused ${what}: ${reasonOf(answer)} (${status})`;
  // The clock may be set at any time.
  const isFinal = FINAL_STATUSES.has(status) && !ClockSkew.safeParse(problem).success;
  if (!isFinal) return new Error(message);
  if (JoinRefused.safeParse(problem).success) return new JoinRefusedError(message, false);
  return new CloudRefusedError(message, Unfit.safeParse(problem).success);
}

/** The detail of a problem answered by the control plane; else the text that a proxy has sent. */
function reasonOf(text: string): string {
  const problem = Problem.safeParse(parseJson(text));
  return problem.success ? problem.data.detail : text.slice(0, 500);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
