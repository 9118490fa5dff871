import { type EvacuationTask, evacuationTasks } from "../core/evacuation/tasks.ts";
import { type MigrationTask, migrationTasks } from "../core/migration/tasks.ts";
import { type Definition, refsOf } from "../workflows/asl.ts";
import { evacuationDefinition } from "../workflows/evacuation.ts";
import { migrationDefinition } from "../workflows/migration.ts";

export const stateMachineNames = ["migration", "evacuation"] as const;
export type StateMachineName = (typeof stateMachineNames)[number];
type StateMachineTask = MigrationTask | EvacuationTask;

export type StateMachineDescription = {
  /** The functions that it calls, and no others. */
  functions: readonly StateMachineTask[];
  /** @param refOf a function's ARN, or what stands for it until it is known */
  definition<Ref>(refOf: (name: StateMachineTask) => Ref): Definition;
};

/** Every state machine of the control plane: what the local cloud creates and infra/ deploys. */
export const stateMachineDescriptions: Readonly<Record<StateMachineName, StateMachineDescription>> =
  {
    migration: {
      functions: migrationTasks,
      definition: (refOf) => migrationDefinition(refsOf(migrationTasks, refOf)),
    },
    evacuation: {
      functions: evacuationTasks,
      definition: (refOf) => evacuationDefinition(refsOf(evacuationTasks, refOf)),
    },
  };
