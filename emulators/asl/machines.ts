import { randomUUID } from "node:crypto";
import { type Account, keyOf, stateMachineArn } from "./arn.ts";
import type { Definition } from "./definition.ts";
import { ServiceError } from "./errors.ts";
import type { Json } from "./json.ts";
import type { MachineRecord, Store } from "./store/store.ts";

export type MachineInput = {
  readonly name: string;
  readonly roleArn: string;
  readonly definition: string;
  readonly loggingConfiguration: Json;
  readonly tracingConfiguration: Json;
};

export type MachineUpdate = Partial<Omit<MachineInput, "name">>;

/** State machines, and the definitions that they and running executions use. */
export class Machines {
  readonly #store: Store;
  readonly #account: Account;
  readonly #machines: Map<string, MachineRecord>;
  readonly #definitions = new Map<string, Definition>();

  constructor(store: Store, account: Account) {
    this.#store = store;
    this.#account = account;
    this.#machines = new Map(store.loadMachines().map((machine) => [machine.arn, machine]));
  }

  list(): MachineRecord[] {
    return [...this.#machines.values()];
  }

  find(arn: string): MachineRecord | undefined {
    return this.#machines.get(arn);
  }

  /** @throws ServiceError `StateMachineDoesNotExist` */
  get(arn: string): MachineRecord {
    const machine = this.#machines.get(arn);
    if (machine) return machine;
    const message = `State Machine Does Not Exist: '${arn}'`;
    throw new ServiceError("StateMachineDoesNotExist", message);
  }

  /**
   * Creates a machine, or returns the one with the same definition and configuration.
   *
   * @throws ServiceError `StateMachineAlreadyExists` if the one with this name differs
   */
  create(input: MachineInput, now: number): MachineRecord {
    const arn = stateMachineArn(this.#account, input.name);
    const definitionId = keyOf(input.definition);
    const { loggingConfiguration, tracingConfiguration } = input;
    const existing = this.#machines.get(arn);
    if (existing?.status === "DELETING") throw deleting(arn);
    if (existing) {
      if (isSame(existing, { ...input, definitionId })) return existing;
      const message = `State Machine Already Exists: '${arn}'`;
      throw new ServiceError("StateMachineAlreadyExists", message);
    }
    this.#store.saveDefinition(definitionId, input.definition);
    return this.#save({
      arn,
      name: input.name,
      roleArn: input.roleArn,
      definitionId,
      revisionId: "INITIAL",
      createdAt: now,
      status: "ACTIVE",
      loggingConfiguration,
      tracingConfiguration,
    });
  }

  /** Changes a machine; running executions keep the definition that they started with. */
  update(arn: string, update: MachineUpdate): MachineRecord {
    const machine = this.get(arn);
    if (machine.status === "DELETING") throw deleting(arn);
    const { definition, ...rest } = update;
    if (definition !== undefined) this.#store.saveDefinition(keyOf(definition), definition);
    return this.#save({
      ...machine,
      ...rest,
      ...(definition !== undefined && { definitionId: keyOf(definition) }),
      revisionId: randomUUID(),
    });
  }

  markDeleting(arn: string): void {
    this.#save({ ...this.get(arn), status: "DELETING" });
  }

  remove(arn: string): void {
    if (!this.#machines.has(arn)) return;
    this.#store.saveMachines(this.list().filter((machine) => machine.arn !== arn));
    this.#machines.delete(arn);
  }

  definitionText(id: string): string {
    const text = this.#store.loadDefinition(id);
    if (text === undefined) throw new Error(`Definition ${id} is missing`);
    return text;
  }

  definition(id: string): Definition {
    const known = this.#definitions.get(id);
    if (known) return known;
    const definition = JSON.parse(this.definitionText(id)) as Definition;
    this.#definitions.set(id, definition);
    return definition;
  }

  /** Removes definitions that neither a machine nor one of these executions uses. */
  tidy(usedByExecutions: Iterable<string>): void {
    const used = new Set(usedByExecutions);
    for (const { definitionId } of this.#machines.values()) used.add(definitionId);
    this.#store.keepDefinitions(used);
    for (const id of this.#definitions.keys()) if (!used.has(id)) this.#definitions.delete(id);
  }

  #save(machine: MachineRecord): MachineRecord {
    const others = this.list().filter(({ arn }) => arn !== machine.arn);
    this.#store.saveMachines([...others, machine]);
    this.#machines.set(machine.arn, machine);
    return machine;
  }
}

export function deleting(arn: string): ServiceError {
  return new ServiceError("StateMachineDeleting", `State Machine is being deleted: '${arn}'`);
}

function isSame(
  machine: MachineRecord,
  input: Pick<MachineRecord, "definitionId" | "loggingConfiguration" | "tracingConfiguration">,
): boolean {
  const configuration = (each: typeof input) =>
    JSON.stringify([each.loggingConfiguration, each.tracingConfiguration]);
  return (
    machine.definitionId === input.definitionId && configuration(machine) === configuration(input)
  );
}
