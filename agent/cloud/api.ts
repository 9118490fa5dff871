import { z } from "zod";
import type { HostId, VmId } from "../../core/id.ts";
import type { AgentEvent } from "../../core/protocol/event.ts";
import type { HostFacts } from "../../core/protocol/host.ts";

const Registered = z.object({
  queueUrl: z.string(),
  acceptedSeq: z.int().nonnegative(),
  at: z.iso.datetime(),
});
const Heard = z.object({ host: z.string() });
const Superseded = z.object({ code: z.literal("superseded") });
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
const Accepted = z.object({ acceptedSeq: z.int().nonnegative() });

/** The cloud refused, and would refuse again; for example because of a wrong host key. */
export class CloudRefusedError extends Error {
  override name = "CloudRefusedError";
  /** The control plane itself has read the request and will never accept it. */
  readonly isUnfit: boolean;

  constructor(message: string, isUnfit: boolean) {
    super(message);
    this.isUnfit = isUnfit;
  }
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

/** Another process has registered as this host's agent since: this one must do nothing more. */
export class SupersededError extends Error {
  override name = "SupersededError";
}

/** The calls that an agent makes. All connections go from the agent to the cloud. */
export class CloudApi {
  readonly #base: string;
  readonly #host: HostId;
  readonly #key: string;
  readonly #instance: string;
  readonly #timeoutMs: number;
  #acceptedMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  /** `instance`: random, of this process; the newest one that has registered is the host's agent. */
  constructor(options: {
    apiUrl: string;
    host: HostId;
    key: string;
    instance: string;
    timeoutMs?: number;
  }) {
    this.#base = options.apiUrl.replace(/\/$/, "");
    this.#host = options.host;
    this.#key = options.key;
    this.#instance = options.instance;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  /**
   * Registers this host with its guests. @returns its queue, the number of its last event that the
   * cloud has, and the time by the cloud's clock
   */
  register(
    own: { facts: HostFacts; guests: VmId[]; heartbeatMs: number },
    signal: AbortSignal,
  ): Promise<z.infer<typeof Registered>> {
    const body = { host: this.#host, ...own, instance: this.#instance };
    return this.#post("/agent/v1/register", body, Registered, signal);
  }

  /** Lets the cloud hear this host. */
  async heartbeat(signal: AbortSignal): Promise<void> {
    const body = { host: this.#host, instance: this.#instance };
    await this.#post("/agent/v1/heartbeat", body, Heard, signal);
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

  async #post<T>(
    path: string,
    body: object,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const response = await fetch(`${this.#base}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.#key}` },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]),
    });
    const text = await response.text();
    if (response.ok) return schema.parse(JSON.parse(text));
    if (response.status === 409 && Superseded.safeParse(parseJson(text)).success) {
      throw new SupersededError(reasonOf(text));
    }
    const gap = response.status === 409 ? Gap.safeParse(parseJson(text)) : undefined;
    if (gap?.success) throw new EventGapError(gap.data.expectedSeq);
    const server = new URL(this.#base).host;
    const message = `${server} refused ${path} of ${this.#host}: ${reasonOf(text)} (${response.status})`;
    if (!FINAL_STATUSES.has(response.status)) throw new Error(message);
    throw new CloudRefusedError(message, Unfit.safeParse(parseJson(text)).success);
  }
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
