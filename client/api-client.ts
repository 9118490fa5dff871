import type { z } from "zod";
import type { Migration, TimelineEntry } from "../core/migration/migration.ts";
import type { MigrationPolicy } from "../core/negotiate/policy.ts";
import type { Host } from "../core/protocol/host.ts";
import type { Vm, VmDefinition } from "../core/vm.ts";

/** An answer that is not 2xx. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly problem: Record<string, unknown>;

  constructor(status: number, problem: Record<string, unknown>) {
    super(`${status} ${problem.title ?? ""}: ${problem.detail ?? JSON.stringify(problem)}`);
    this.status = status;
    this.problem = problem;
  }
}

/** The few calls of the public API that the demo, the benchmarks and the tests make. */
export class ApiClient {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  createHost(id: string, rest: object = {}): Promise<{ host: Host; key: string }> {
    return this.call("POST", "/v1/hosts", { id, ...rest });
  }

  host(id: string): Promise<Host> {
    return this.call("GET", `/v1/hosts/${id}`);
  }

  createVm(id: string, host: string, definition: z.input<typeof VmDefinition>): Promise<Vm> {
    return this.call("POST", "/v1/vms", { id, host, definition });
  }

  vm(id: string): Promise<Vm> {
    return this.call("GET", `/v1/vms/${id}`);
  }

  migrate(
    vm: string,
    target: string,
    options: { policy?: z.input<typeof MigrationPolicy>; idempotencyKey?: string } = {},
  ): Promise<Migration> {
    const { policy = {}, idempotencyKey } = options;
    const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
    return this.call("POST", "/v1/migrations", { vm, target, policy }, headers);
  }

  migration(id: string): Promise<Migration> {
    return this.call("GET", `/v1/migrations/${id}`);
  }

  cancel(id: string): Promise<unknown> {
    return this.call("POST", `/v1/migrations/${id}/cancel`);
  }

  async timeline(id: string): Promise<TimelineEntry[]> {
    const { items } = await this.call<{ items: TimelineEntry[] }>(
      "GET",
      `/v1/migrations/${id}/timeline`,
    );
    return items;
  }

  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    const answer: unknown = text === "" ? {} : JSON.parse(text);
    if (!response.ok) throw new ApiError(response.status, answer as Record<string, unknown>);
    return answer as T;
  }
}
