import { describe, expect, it } from "vitest";
import { guestEndOf } from "../../core/vm-exit.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { endingOf } from "./ending.ts";

const migration = {
  vm: "vm",
  source: "host-a",
  target: "host-b",
  phases: [{ name: "admit" }, { name: "precopy" }, { name: "reconcile" }],
} as unknown as StoredMigration;

const ending = (cause: string) =>
  endingOf(migration, { action: "end", reason: "it is there", error: "RetryableError", cause });

it("is a loss when the source's process has ended, although no side was observed", () => {
  const request = { action: "end", reason: "", error: "MigrationFailed", cause: "" } as const;
  const ending = endingOf(
    { ...migration, sourceExit: guestEndOf({ detail: "signal 9" }) },
    request,
  );
  expect(ending).toMatchObject({ vm: { place: "none" }, failure: { code: "guest-lost" } });
});

it("has one code for every error of the functions' service", () => {
  const codes = ["Lambda.ServiceException", "Sandbox.Timedout", "RetryableError"].map(
    (error) => endingOf(migration, { action: "end", reason: "", error, cause: "" }).failure.code,
  );
  expect(new Set(codes)).toEqual(new Set(["retryable-error"]));
});

describe("the message of an end", () => {
  it.each([
    [
      "a function's error document",
      '{"errorType":"E","errorMessage":"no room","trace":[]}',
      "no room",
    ],
    ["a sentence", "qemu: no such device", "qemu: no such device"],
    ["a document without a message", '{"errorType":"E"}', '{"errorType":"E"}'],
    ["half a document", '{"errorMessage":"no', '{"errorMessage":"no'],
    ["nothing", "", "RetryableError: it is there"],
  ])("comes from %s", (_, cause, message) => {
    expect(ending(cause).failure).toMatchObject({ message, phase: "precopy" });
  });
});

describe("the message of a failed migration", () => {
  const source = "source: Channel error";
  const target = "target: load of migration failed";
  const gone = "the source's QEMU process ended: signal 9";

  it.each([
    [
      "the source's report before the target's",
      source,
      { sourceFailure: source, targetFailure: target },
      `${source}; ${target}`,
    ],
    [
      "both, whichever interrupted it",
      target,
      { sourceFailure: source, targetFailure: target },
      `${source}; ${target}`,
    ],
    [
      "the interruption before its consequence",
      gone,
      { targetFailure: target },
      `${gone}; ${target}`,
    ],
    ["the interruption alone", gone, {}, gone],
    ["a report alone", "", { targetFailure: target }, target],
  ])("has %s", (_, cause, failures, message) => {
    const request = { action: "end", reason: "", error: "MigrationFailed", cause } as const;
    expect(endingOf({ ...migration, ...failures }, request).failure.message).toBe(message);
  });
});
