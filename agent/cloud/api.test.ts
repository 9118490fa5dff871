import { expect, it, onTestFinished, vi } from "vitest";
import { HostId } from "../../core/id.ts";
import { testFolder } from "../testing/folder.ts";
import { CloudApi } from "./api.ts";
import { joinedIdentity } from "./testing/joined-identity.ts";

it.each([
  ["the time that it names", { "retry-after": "7" }, 7_000],
  ["a second where a gateway names none", {}, 1_000],
  ["a minute at most", { "retry-after": "86400" }, 60_000],
])("leaves a cloud that it has asked too often alone for %s", async (_, headers, ms) => {
  const answers = [new Response("{}", { status: 429, headers })];
  const sent = vi
    .spyOn(globalThis, "fetch")
    .mockImplementation(async () => answers.shift() ?? Response.json({ acceptedSeq: 0 }));
  onTestFinished(() => sent.mockRestore());
  const pauses: number[] = [];
  const host = HostId.parse("host-a");
  const api = new CloudApi({
    apiUrl: "http://cloud",
    host,
    identity: joinedIdentity(testFolder(), host),
    instance: "one",
    pause: async (pauseMs) => {
      pauses.push(pauseMs);
      expect(sent).toHaveBeenCalledTimes(1);
    },
  });
  const { signal } = new AbortController();
  await expect(api.postEvents([], signal)).rejects.toThrow("429");
  expect(await api.postEvents([], signal)).toBe(0);
  expect(pauses).toEqual([expect.any(Number)]);
  expect(pauses[0]).toBeLessThanOrEqual(ms);
  expect(pauses[0]).toBeGreaterThan(ms / 2);
});
