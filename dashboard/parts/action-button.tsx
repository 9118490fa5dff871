import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { problemText } from "../api.ts";
import { say } from "./notices.tsx";

type Props = {
  children: ComponentChildren;
  /** Why it cannot be done now: the button stays, disabled, and says so. */
  reason?: string | undefined;
  tone?: "first" | "danger";
  /** Done by a click; said when it has been done. */
  act: () => Promise<string | undefined> | undefined;
};

/** A control of the fleet: it can be reached and read also while it is disabled. */
export function ActionButton({ children, reason, tone, act }: Props) {
  const id = useId();
  const [isBusy, setBusy] = useState(false);
  const isDisabled = reason !== undefined || isBusy;
  const click = async () => {
    if (reason !== undefined) return say("bad", reason);
    if (isBusy) return;
    setBusy(true);
    await attempt(act);
    setBusy(false);
  };
  return (
    <span class="control">
      <button
        type="button"
        class={tone}
        aria-disabled={isDisabled}
        aria-describedby={reason === undefined ? undefined : id}
        onClick={click}
      >
        {children}
      </button>
      {reason !== undefined && (
        <span class="reason" id={id} role="tooltip">
          {reason}
        </span>
      )}
    </span>
  );
}

/** Does something, and says how it went. */
export async function attempt(act: Props["act"]): Promise<void> {
  try {
    const done = await act();
    if (done !== undefined) say("ok", done);
  } catch (error) {
    say("bad", problemText(error));
  }
}
