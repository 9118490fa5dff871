import {
  ConflictException,
  CreateScheduleCommand,
  DeleteScheduleCommand,
  ResourceNotFoundException,
} from "@aws-sdk/client-scheduler";
import { TableBusy } from "../../core/errors.ts";
import type { ScheduleId } from "../../core/id.ts";
import { engineExpression, startAfter } from "../../core/schedule/occurrences.ts";
import { scheduler } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import { changeSchedule, findSchedule, type StoredSchedule } from "../store/schedules.ts";

/** How often the record may change between the read and the write. */
const TRIES_MAX = 10;
/** A start that is older than this is not delivered any more: the sweep has seen to it. */
const EVENT_AGE_SECONDS_MAX = 3_600;

/**
 * Has the engine call at the next start of a schedule, and at no other. One engine schedule stands for
 * one start: what is delivered for a start that is none any more changes nothing. Idempotent.
 *
 * @throws the error of EventBridge Scheduler
 */
export async function armSchedule(id: ScheduleId): Promise<StoredSchedule | undefined> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await findSchedule(id);
    if (before === undefined) return undefined;
    const armedFor = nextStartOf(before);
    if (armedFor === before.armedFor) return before;
    if (armedFor !== undefined) await createEngineSchedule(id, armedFor);
    const written = await changeSchedule(before, { armedFor });
    if (written === undefined) continue;
    if (before.armedFor !== undefined) await deleteEngineSchedule(id, before.armedFor);
    return written;
  }
  throw new TableBusy(`Failed to arm ${id}: its record keeps changing`);
}

/** The start for which the engine must have a schedule. */
export function nextStartOf(schedule: Omit<StoredSchedule, "armedFor">): string | undefined {
  if (schedule.paused !== undefined) return undefined;
  const afterMs = Math.max(Date.now(), Date.parse(schedule.handledAt));
  // A start that a person has added has been, and needs no engine.
  const nextMs = startAfter({ ...schedule, extra: undefined }, afterMs);
  return nextMs === undefined ? undefined : new Date(nextMs).toISOString();
}

export async function createEngineSchedule(id: ScheduleId, startsAt: string): Promise<void> {
  const { openWindowFunctionArn, scheduleGroup, schedulerRoleArn } = config();
  const create = new CreateScheduleCommand({
    Name: engineName(id, startsAt),
    GroupName: scheduleGroup,
    // In UTC, whose clocks never change.
    ScheduleExpression: engineExpression(Date.parse(startsAt)),
    FlexibleTimeWindow: { Mode: "OFF" },
    ActionAfterCompletion: "DELETE",
    Target: {
      Arn: openWindowFunctionArn,
      RoleArn: schedulerRoleArn,
      Input: JSON.stringify({ schedule: id, startsAt }),
      RetryPolicy: { MaximumEventAgeInSeconds: EVENT_AGE_SECONDS_MAX },
    },
  });
  try {
    await scheduler().send(create);
  } catch (error) {
    // Of one name there is one start.
    if (!(error instanceof ConflictException)) throw error;
  }
}

export async function deleteEngineSchedule(id: ScheduleId, startsAt: string): Promise<void> {
  const { scheduleGroup } = config();
  const named = { Name: engineName(id, startsAt), GroupName: scheduleGroup };
  try {
    await scheduler().send(new DeleteScheduleCommand(named));
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
  }
}

/** `sch_01M8…-20261205T210000Z`: of the 64 characters that a name may have. */
function engineName(id: ScheduleId, startsAt: string): string {
  return `${id}-${startsAt.replace(/\.\d+|[-:]/g, "")}`;
}
