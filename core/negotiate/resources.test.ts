import { expect, it } from "vitest";
import { TargetProbe } from "../protocol/probe.ts";
import { refusedPartBlockers, resourceNameBlockers } from "./resources.ts";

it("each resource that the target lacks blocks a migration, with its name and a cure", () => {
  expect(resourceNameBlockers({ missingResources: ["gpu0", "lun7"] })).toEqual([
    expect.objectContaining({
      code: "resource-missing",
      message: expect.stringContaining("the target has no resource gpu0"),
      cure: expect.stringContaining("`resources`"),
    }),
    expect.objectContaining({ message: expect.stringContaining("lun7") }),
  ]);
});

it("each part that the target does not allow blocks a migration", () => {
  const refusedParts = ["objects[0] (qom-type qtest)"];
  expect(refusedPartBlockers({ refusedParts })).toEqual([
    expect.objectContaining({
      code: "part-refused",
      message: expect.stringContaining("objects[0] (qom-type qtest)"),
      cure: expect.stringContaining("`allow`"),
    }),
  ]);
  expect(refusedPartBlockers({})).toEqual([]);
});

it("an older agent reports no missing resources", () => {
  expect(TargetProbe.shape.missingResources.parse(undefined)).toEqual([]);
});
