import { createLogUpdate } from "log-update";
import type { Output } from "../output/output.ts";

/** Shows the newest state of something that goes on. */
export type Painter = {
  /** @param summary one line for where lines cannot be redrawn */
  paint(lines: readonly string[], summary: string): void;
  /** Takes the frame away: the answer follows. */
  end(): void;
};

/** How often a line is written where lines cannot be redrawn. */
const LINE_MS = 10_000;

/** Frames on a terminal; elsewhere a line for each new step, and one in ten seconds. */
export function painterFor(output: Output, now: () => number = Date.now): Painter {
  return output.terminal.showsProgress ? framePainter() : linePainter(output, now);
}

function framePainter(): Painter {
  const update = createLogUpdate(process.stderr);
  return {
    paint: (lines) => update(lines.join("\n")),
    end: () => {
      update.clear();
      update.done();
    },
  };
}

function linePainter(output: Output, now: () => number): Painter {
  let step = "";
  let writtenMs = Number.NEGATIVE_INFINITY;
  return {
    paint: (_, summary) => {
      const [current = ""] = summary.split("   ");
      if (current === step && now() - writtenMs < LINE_MS) return;
      step = current;
      writtenMs = now();
      output.note(summary);
    },
    end: () => undefined,
  };
}
