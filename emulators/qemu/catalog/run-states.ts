/** The run states of the model (QAPI run-state.json, RunState). */
export type RunState =
  | "inmigrate"
  | "prelaunch"
  | "running"
  | "paused"
  | "suspended"
  | "io-error"
  | "guest-panicked"
  | "finish-migrate"
  | "postmigrate"
  | "shutdown";
