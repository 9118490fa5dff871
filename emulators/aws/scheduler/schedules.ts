import type { DatabaseSync } from "node:sqlite";
import { SchedulerError } from "./errors.ts";
import { CreateSchedule, instantOf } from "./input.ts";

export const SCHEDULES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    token TEXT NOT NULL,
    input TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL
  )`;

export type Schedule = {
  readonly id: number;
  readonly name: string;
  readonly input: CreateSchedule;
  readonly createdMs: number;
  /** When it is delivered, or its delivery is tried again. */
  readonly dueMs: number;
  /** Deliveries that have failed. */
  readonly attempts: number;
};

export type Schedules = ReturnType<typeof createSchedules>;

/** The schedules of one local Scheduler, all in the group `default`. */
export function createSchedules(database: DatabaseSync, now: () => number) {
  const columns = "id, name, token, input, created_ms, due_ms, attempts";
  const byName = database.prepare(`SELECT ${columns} FROM schedules WHERE name = ?`);
  const byTime = database.prepare(
    `SELECT ${columns} FROM schedules WHERE due_ms <= ? ORDER BY due_ms, id`,
  );
  const names = database.prepare("SELECT name FROM schedules ORDER BY name");
  const earliest = database.prepare("SELECT min(due_ms) AS due_ms FROM schedules");
  const insert = database.prepare(
    "INSERT INTO schedules (name, token, input, created_ms, due_ms, attempts) VALUES (?, ?, ?, ?, ?, 0)",
  );
  const retry = database.prepare("UPDATE schedules SET due_ms = ?, attempts = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM schedules WHERE id = ?");

  return {
    /** @throws SchedulerError ConflictException: there is one of that name, by another request */
    create(name: string, input: CreateSchedule): void {
      const known = byName.get(name);
      if (known?.token === input.ClientToken) return;
      if (known !== undefined) {
        throw new SchedulerError("ConflictException", `Schedule ${name} already exists.`);
      }
      const text = JSON.stringify(input);
      insert.run(name, input.ClientToken, text, now(), instantOf(input.ScheduleExpression));
    },
    /** @throws SchedulerError ResourceNotFoundException */
    get(name: string): Schedule {
      const row = byName.get(name);
      if (row !== undefined) return scheduleOf(row);
      throw new SchedulerError("ResourceNotFoundException", `Schedule ${name} does not exist.`);
    },
    names: () => names.all().map(({ name }) => String(name)),
    due: (): Schedule[] => byTime.all(now()).map(scheduleOf),
    nextDueMs(): number | undefined {
      const dueMs = earliest.get()?.due_ms;
      return dueMs === null || dueMs === undefined ? undefined : Number(dueMs);
    },
    retry({ id, attempts }: Schedule, dueMs: number): void {
      retry.run(dueMs, attempts + 1, id);
    },
    remove({ id }: Schedule): void {
      remove.run(id);
    },
  };
}

function scheduleOf(row: Record<string, unknown>): Schedule {
  return {
    id: Number(row.id),
    name: String(row.name),
    input: CreateSchedule.parse(JSON.parse(String(row.input))),
    createdMs: Number(row.created_ms),
    dueMs: Number(row.due_ms),
    attempts: Number(row.attempts),
  };
}
