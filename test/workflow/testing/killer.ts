import { AsyncLocalStorage } from "node:async_hooks";
import { RetryableError } from "../../../core/errors.ts";
import type { InProcessTransport } from "../../../emulators/aws/aws-json/in-process-transport.ts";
import type { Service } from "../../../functions/runtime/clients.ts";

type Answering = Pick<InProcessTransport, "handle">;

const writes: Readonly<Record<string, readonly string[]>> = {
  DYNAMODB: ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"],
  SFN: ["StartExecution"],
};

/** Kills one process after its n-th write: the write is done, its answer and all that follows is lost. */
export class Killer {
  /** Processes that were killed. */
  killed = 0;
  #left = Number.POSITIVE_INFINITY;
  readonly #lives = new AsyncLocalStorage<{ isDead: boolean }>();

  /** The next processes together do so many writes before one of them dies. */
  after(writeCount: number): void {
    this.killed = 0;
    this.#left = writeCount;
  }

  /** @throws RetryableError when the process was killed */
  process<T>(work: () => Promise<T>): Promise<T> {
    const life = { isDead: false };
    return this.#lives.run(life, async () => {
      try {
        return await work();
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: whatever it has answered is lost
        if (life.isDead) throw new RetryableError("killed");
      }
    });
  }

  /** Stands between the functions and a service. */
  readonly observe = (service: Service, transport: Answering): Answering => ({
    handle: async (request) => {
      const life = this.#lives.getStore();
      if (life?.isDead === true) throw new Error("killed");
      // What the service starts by it lives on.
      const answer = await this.#lives.exit(() => transport.handle(request));
      if (life === undefined || !isWrite(service, request.headers["x-amz-target"])) return answer;
      this.#left -= 1;
      if (this.#left !== 0) return answer;
      life.isDead = true;
      this.killed += 1;
      throw new Error("killed");
    },
  });
}

/** An Invoke is one, too: its function writes. */
export function isWrite(service: Service, target = ""): boolean {
  if (service === "LAMBDA") return true;
  return writes[service]?.includes(target.split(".").at(-1) ?? "") === true;
}
