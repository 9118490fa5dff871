import { duration } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Evacuation } from "../api-types.ts";
import { nowMs } from "../clock.ts";
import { refreshFleet } from "../fleet.ts";
import { hostsText } from "../model/attention.ts";
import { evacuationReason, limitsReason } from "../model/controls.ts";
import { author } from "../session.ts";
import { ActionButton } from "./action-button.tsx";
import { ask, type Question } from "./ask.tsx";
import { askLimits } from "./evacuation-limits.tsx";

type Props = { evacuation: Evacuation; refresh: () => Promise<void> | undefined };

/** All that can be done to an evacuation; what cannot be done now says why. */
export function EvacuationControls({ evacuation, refresh }: Props) {
  const by = { author: author.value, nowMs: nowMs.value };
  const reason = (action: Parameters<typeof evacuationReason>[1]) =>
    evacuationReason(evacuation, action, by);
  const after = async (text: string) => {
    await refresh();
    refreshFleet();
    return text;
  };
  const asked =
    (question: Omit<Question, "act">, act: (message: Acting) => Promise<string>) => () =>
      ask({ ...question, act: async (text) => after(await act(acting(text("why")))) });
  const { id, version } = evacuation;
  const resume = async () => {
    await client().resumeEvacuation(id, acting(""));
    return after("It goes on");
  };
  return (
    <div class="controls">
      <ActionButton
        reason={reason("approve")}
        tone="first"
        act={asked(approveQuestion(evacuation), async () => {
          const { status } = await client().approveEvacuation(id, version, author.value);
          return status === "planned"
            ? "Approved; others must approve it, too"
            : "Approved: it begins";
        })}
      >
        Approve version {version}
      </ActionButton>
      <ActionButton
        reason={reason("reject")}
        act={asked(rejectQuestion(evacuation), async (message) => {
          await client().rejectEvacuation(id, message);
          return "Rejected";
        })}
      >
        Reject
      </ActionButton>
      <ActionButton
        reason={reason("pause")}
        act={asked(pauseQuestion(evacuation), async (message) => {
          await client().pauseEvacuation(id, message);
          return "Paused: nothing starts any more";
        })}
      >
        Pause
      </ActionButton>
      <ActionButton reason={reason("resume")} act={resume}>
        Resume
      </ActionButton>
      <ActionButton reason={limitsReason(evacuation)} act={() => askLimits(evacuation, after)}>
        Limits
      </ActionButton>
      <ActionButton
        reason={reason("cancel")}
        tone="danger"
        act={asked(cancelQuestion(evacuation), async (message) => {
          await client().cancelEvacuation(id, message);
          return "It is being cancelled";
        })}
      >
        Cancel
      </ActionButton>
      <ActionButton
        reason={reason("rollback")}
        tone="danger"
        act={asked(rollbackQuestion(evacuation), async (message) => {
          await client().rollBackEvacuation(id, message);
          return "What has moved goes back";
        })}
      >
        Roll back
      </ActionButton>
    </div>
  );
}

type Acting = { by: string; message?: string };

export function acting(message: string): Acting {
  return { by: author.value, ...(message === "" ? {} : { message }) };
}

const why = [{ name: "why", label: "Why (optional)", isOptional: true }] as const;

function approveQuestion(evacuation: Evacuation): Omit<Question, "act"> {
  const { id, version, eta, counters } = evacuation;
  return {
    title: `Approve version ${version}?`,
    body: (
      <p>
        It empties {hostsText(evacuation)}: {counters.total - counters.unplaced} VMs move in about{" "}
        {duration(eta.plannedMs)}. If the fleet has changed so that another plan is right, nothing
        is approved, and you see the new version.
      </p>
    ),
    yes: `Approve version ${version}`,
    command: `switchyard evacuation approve ${id} --version ${version}`,
  };
}

function rejectQuestion({ id, version }: Evacuation): Omit<Question, "act"> {
  return {
    title: `Reject version ${version}?`,
    body: <p>Nobody can approve it any more. Nothing has moved.</p>,
    yes: "Reject it",
    isDanger: true,
    fields: why,
    command: `switchyard evacuation reject ${id}`,
  };
}

function pauseQuestion({ id }: Evacuation): Omit<Question, "act"> {
  return {
    title: "Pause it?",
    body: <p>Nothing starts from now on; what moves goes on to its end.</p>,
    yes: "Pause it",
    fields: why,
    command: `switchyard evacuation pause ${id}`,
  };
}

function cancelQuestion({ id, status }: Evacuation): Omit<Question, "act"> {
  return {
    title: "Cancel the evacuation?",
    body:
      status === "planned" ? (
        <p>Nothing has moved, and nothing will.</p>
      ) : (
        <p>What moves goes on to its end, nothing else starts, and what has moved stays.</p>
      ),
    yes: "Cancel the evacuation",
    isDanger: true,
    fields: why,
    command: `switchyard evacuation cancel ${id}`,
  };
}

function rollbackQuestion(evacuation: Evacuation): Omit<Question, "act"> {
  return {
    title: "Roll it back?",
    body: (
      <p>
        VMs that have moved go back to {hostsText(evacuation)}, each as soon as there is room;
        nothing else starts.
      </p>
    ),
    yes: "Roll it back",
    isDanger: true,
    fields: why,
    command: `switchyard evacuation rollback ${evacuation.id}`,
  };
}
