import { duration } from "../../core/format.ts";
import type { Moving } from "../api-types.ts";
import { nowMs } from "../clock.ts";
import { type PhaseStep, phaseLine } from "../model/phase-line.ts";
import { Icon, type IconName } from "./icon.tsx";

const icons: Readonly<Record<PhaseStep["state"], IconName>> = {
  done: "check",
  current: "dot",
  failed: "cross",
  future: "ring",
  skipped: "dash",
};

const words: Readonly<Record<PhaseStep["state"], string>> = {
  done: "done",
  current: "now",
  failed: "failed here",
  future: "to come",
  skipped: "did not come",
};

export function PhaseLine({ migration }: { migration: Moving }) {
  return (
    <ol class="phases" aria-label="Phases">
      {phaseLine(migration, nowMs.value).map(({ name, state, ms }, place) => (
        <li
          key={`${place} ${name}`}
          class={`phase-${state}`}
          aria-current={state === "current" ? "step" : undefined}
        >
          <Icon name={icons[state]} />
          <span class="phase-name">{name}</span>
          <span class="phase-time">{ms === undefined ? words[state] : duration(ms)}</span>
          {ms !== undefined && <span class="hidden">{words[state]}</span>}
        </li>
      ))}
    </ol>
  );
}
