import { forwardPhases } from "../../core/migration/phases.ts";
import { Icon, type IconName } from "./icon.tsx";

type Tone = "ok" | "bad" | "warn" | "busy" | "calm";

const signs = {
  running: ["busy", "dot"],
  migrating: ["busy", "dot"],
  moving: ["busy", "dot"],
  approved: ["busy", "dot"],
  starting: ["busy", "dot"],
  draining: ["busy", "arrow"],
  "rolling-back": ["busy", "refresh"],
  retrying: ["warn", "refresh"],
  noticed: ["warn", "clock"],
  cancelling: ["warn", "dash"],
  planned: ["warn", "clock"],
  held: ["warn", "pause"],
  paused: ["warn", "pause"],
  cordoned: ["warn", "pause"],
  maintenance: ["calm", "pause"],
  open: ["busy", "dot"],
  started: ["ok", "check"],
  continued: ["ok", "arrow"],
  refused: ["warn", "cross"],
  unplaced: ["warn", "bang"],
  "completed-with-remainder": ["warn", "bang"],
  completed: ["ok", "check"],
  moved: ["ok", "check"],
  emptied: ["ok", "check"],
  active: ["ok", "check"],
  "rolled-back": ["ok", "check"],
  failed: ["bad", "cross"],
  unknown: ["bad", "bang"],
  silent: ["bad", "bang"],
  "io-error": ["bad", "bang"],
  panicked: ["bad", "bang"],
} as const satisfies Readonly<Record<string, readonly [Tone, IconName]>>;

function signOf(state: string): readonly [Tone, IconName] {
  if (Object.hasOwn(signs, state)) return signs[state as keyof typeof signs];
  return (forwardPhases as readonly string[]).includes(state) ? ["busy", "dot"] : ["calm", "dash"];
}

/** A state as a sign, a word and a colour; for a guest that runs, `running` is a good end. */
export function Badge({ state, of }: { state: string; of?: "vm" }) {
  const isGuest = of === "vm" && state === "running";
  const [tone, icon] = isGuest ? signs.active : signOf(state);
  return (
    <span class={`badge badge-${tone}`}>
      <Icon name={icon} />
      {state}
    </span>
  );
}
