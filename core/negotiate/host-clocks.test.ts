import { describe, expect, it } from "vitest";
import { CLOCKS_APART_MS_MAX, explainHostClocks } from "./host-clocks.ts";

describe("clocks of both hosts", () => {
  const unset = { guestClock: "leave" } as const;

  it("are told beyond the limit, with the way they differ", () => {
    const [ahead] = explainHostClocks({ source: -1_500, target: 2_500 }, unset);
    expect(ahead).toMatchObject({ subject: "host clocks", value: "4000 ms" });
    expect(ahead?.reason).toContain("the target's clock was 4.0 s ahead of the source's");
    expect(ahead?.reason).toContain("from its RTC");
    const [behind] = explainHostClocks({ source: 2_500, target: -1_500 }, unset);
    expect(behind?.value).toBe("-4000 ms");
    expect(behind?.reason).toContain("4.0 s behind the source's");
  });

  it("say that a guest's clock that is set jumps", () => {
    const [jump] = explainHostClocks({ source: 0, target: 60_000 }, { guestClock: "set" });
    expect(jump?.reason).toContain("policy.guestClock sets the guest's clock to the target's");
  });

  it("are not told within the limit, nor where one of them is unknown", () => {
    expect(explainHostClocks({ source: 0, target: CLOCKS_APART_MS_MAX }, unset)).toEqual([]);
    expect(explainHostClocks({ source: 299_000, target: 299_000 }, unset)).toEqual([]);
    expect(explainHostClocks(undefined, unset)).toEqual([]);
  });
});
