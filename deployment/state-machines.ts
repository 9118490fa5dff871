import { type MigrationTask, migrationTasks } from "../core/migration/tasks.ts";
import { type Definition, refsOf } from "../workflows/asl.ts";
import { migrationDefinition } from "../workflows/migration.ts";

export type StateMachineName = "migration";

export type StateMachineDescription = {
  /** The functions that it calls, and no others. */
  functions: readonly MigrationTask[];
  /** @param refOf a function's ARN, or what stands for it until it is known */
  definition<Ref>(refOf: (name: MigrationTask) => Ref): Definition;
};

/** Every state machine of the control plane: what the local cloud creates and infra/ deploys. */
export const stateMachineDescriptions: Readonly<Record<StateMachineName, StateMachineDescription>> =
  {
    migration: {
      functions: migrationTasks,
      definition: (refOf) => migrationDefinition(refsOf(migrationTasks, refOf)),
    },
  };
