import { describe, expect, it } from "vitest";
import { emfDocuments } from "./emf.ts";

const value = (metric: string, labels: Record<string, string>, number = 1) => ({
  metric,
  labels,
  value: number,
});
type Document = { _aws: { Timestamp: number; CloudWatchMetrics: object[] } } & Record<
  string,
  unknown
>;
const documents = (values: Parameters<typeof emfDocuments>[0]) =>
  emfDocuments(values, "Switchyard", 1_000) as Document[];

describe("the documents for CloudWatch", () => {
  it("have one for each set of labels, which are its dimensions, and units by the names", () => {
    const found = documents([
      value("switchyard_migrations_total", { outcome: "completed" }),
      value("switchyard_migration_duration_seconds", { outcome: "completed" }, 2.5),
      value("switchyard_migration_duration_seconds", { outcome: "completed" }, 3.5),
      value("switchyard_migration_transferred_bytes_total", {}, 9),
    ]);
    expect(found).toEqual([
      {
        _aws: {
          Timestamp: 1_000,
          CloudWatchMetrics: [
            {
              Namespace: "Switchyard",
              Dimensions: [["outcome"]],
              Metrics: [
                { Name: "switchyard_migrations_total", Unit: "Count" },
                { Name: "switchyard_migration_duration_seconds", Unit: "Seconds" },
              ],
            },
          ],
        },
        outcome: "completed",
        switchyard_migrations_total: [1],
        switchyard_migration_duration_seconds: [2.5, 3.5],
      },
      {
        _aws: {
          Timestamp: 1_000,
          CloudWatchMetrics: [
            {
              Namespace: "Switchyard",
              Dimensions: [[]],
              Metrics: [{ Name: "switchyard_migration_transferred_bytes_total", Unit: "Bytes" }],
            },
          ],
        },
        switchyard_migration_transferred_bytes_total: [9],
      },
    ]);
  });

  it("keep to CloudWatch's limits: 100 metrics, and 100 values of one", () => {
    const many = Array.from({ length: 250 }, (_, at) => value("a_total", {}, at));
    const wide = Array.from({ length: 150 }, (_, at) => value(`b${at}_total`, {}));
    const found = documents([...many, ...wide]);
    const lists = found.map(({ _aws, ...lists }) => Object.entries(lists) as [string, number[]][]);
    expect(Math.max(...lists.map((one) => one.length))).toBeLessThanOrEqual(100);
    expect(Math.max(...lists.flat().map(([, list]) => list.length))).toBeLessThanOrEqual(100);
    const sums = lists.flat().flatMap(([name, list]) => (name === "a_total" ? list : []));
    expect(sums.toSorted((a, b) => a - b)).toEqual(many.map((one) => one.value));
    expect(lists.flat().filter(([name]) => name.startsWith("b"))).toHaveLength(150);
  });
});
