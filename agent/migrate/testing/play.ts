import type { MigrationEvent } from "../../guest/emit.ts";

type Step<State, Action> = {
  readonly state: State;
  readonly events: readonly {
    readonly event: MigrationEvent;
    readonly atMs?: number | undefined;
  }[];
  readonly actions: readonly Action[];
};

/**
 * Feeds inputs into a side's state, one after the other. `trace` is what follows, in order: events
 * by their names, actions as `> name`.
 */
export function playFrom<State, Input, Action extends { type: string }>(
  start: State,
  inputs: readonly Input[],
  next: (state: State, input: Input) => Step<State, Action>,
) {
  let state = start;
  const steps = inputs.map((input) => {
    const step = next(state, input);
    state = step.state;
    return step;
  });
  const trace = steps.flatMap(({ events, actions }) => [
    ...events.map(({ event }) => event.type.replace("migration.", "")),
    ...actions.map((action) => `> ${action.type}`),
  ]);
  const events = steps.flatMap((step) => step.events);
  const actions = steps.flatMap((step) => step.actions);
  return { state, trace, events, actions };
}
