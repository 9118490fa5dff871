import type { Store } from "./store.ts";

/** Stores nothing: the engine's own memory holds the executions. */
export function memoryStore(): Store {
  const definitions = new Map<string, string>();
  return {
    isDurable: false,
    loadMachines: () => [],
    saveMachines: () => {},
    saveDefinition: (id, text) => {
      definitions.set(id, text);
    },
    loadDefinition: (id) => definitions.get(id),
    keepDefinitions: (used) => {
      for (const id of definitions.keys()) if (!used.has(id)) definitions.delete(id);
    },
    findExecutions: () => [],
    createExecution: () => {},
    appendChange: () => {},
    settled: undefined,
    loadExecution: (arn) => {
      throw new Error(`Failed to load ${arn}: nothing is stored`);
    },
    removeExecution: () => {},
    close: () => {},
  };
}
