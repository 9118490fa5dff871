import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { QmpClient } from "../../../qmp/client.ts";
import { QmpTimeoutError } from "../../../qmp/error.ts";
import { cancelAndWait, readStatus } from "./cancel.ts";

const pending = () => new Promise<never>(() => undefined);

function silentQmp() {
  const execute = vi.fn((command: string) =>
    command === "yank" ? Promise.resolve({}) : pending(),
  );
  return { qmp: { execute } as unknown as QmpClient, execute };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a cancel", () => {
  it("yanks a QEMU that does not answer migrate_cancel", async () => {
    const { qmp, execute } = silentQmp();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const cancelling = cancelAndWait(qmp, ended);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(execute).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(execute).toHaveBeenLastCalledWith("yank", { instances: [{ type: "migration" }] });
    end();
    await cancelling;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is late after 15 s without an end", async () => {
    const cancelling = cancelAndWait(silentQmp().qmp, pending());
    const refused = expect(cancelling).rejects.toThrow(QmpTimeoutError);
    await vi.advanceTimersByTimeAsync(15_000);
    await refused;
  });

  it("is refused with QEMU's words", async () => {
    const qmp = { execute: () => Promise.reject(new Error("no")) } as unknown as QmpClient;
    await expect(cancelAndWait(qmp, pending())).rejects.toThrow("no");
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the status before a cancel", () => {
  const answers = (answer: Promise<unknown>) => ({ execute: () => answer }) as unknown as QmpClient;

  it("is QEMU's, or unknown when QEMU does not answer", async () => {
    expect(await readStatus(answers(Promise.resolve({ status: "active" })))).toBe("active");
    expect(await readStatus(answers(Promise.resolve({})))).toBe("none");
    const late = Promise.reject(new QmpTimeoutError("query-migrate", 1_000, true));
    expect(await readStatus(answers(late))).toBe(undefined);
  });
});
