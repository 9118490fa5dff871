import { describe, expect, it } from "vitest";
import { hrefTo, routeOf } from "./routes.ts";

describe("the page of an address", () => {
  it.each([
    ["", { page: "overview" }],
    ["#/", { page: "overview" }],
    ["#/vms", { page: "vms" }],
    ["#/vms/web1", { page: "vm", id: "web1" }],
    ["#/migrations/mig_1", { page: "migration", id: "mig_1" }],
    ["#/evacuations/", { page: "evacuations" }],
    ["#/schedules", { page: "schedules" }],
    ["#/schedules/sch_1", { page: "missing" }],
    ["#/failures/x", { page: "missing" }],
    ["#/vms/a/b", { page: "missing" }],
    ["#/vms/%E0", { page: "missing" }],
    ["#/toString", { page: "missing" }],
  ])("%s", (hash, expected) => {
    expect(routeOf(hash)).toEqual(expected);
  });

  it("is found again by its link", () => {
    expect(routeOf(hrefTo("hosts", "rack 7/a"))).toEqual({ page: "host", id: "rack 7/a" });
  });
});
