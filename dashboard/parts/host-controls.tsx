import { type HostAction, isAllowed } from "../../core/host/host-actions.ts";
import { client } from "../api.ts";
import type { Host } from "../api-types.ts";
import { refreshFleet } from "../fleet.ts";
import { author } from "../session.ts";
import { ActionButton } from "./action-button.tsx";
import { ask, type Question } from "./ask.tsx";

/** All that can be done to a host; what cannot be done now says why. */
export function HostControls({ host }: { host: Host }) {
  const { id, cordons, state, vms } = host;
  const api = client();
  const done = (text: string) => {
    refreshFleet();
    return text;
  };
  const asked = (
    question: Pick<Question, "title" | "body" | "yes" | "command">,
    act: (by: { owner: string; message?: string }) => Promise<string>,
  ) =>
    ask({
      ...question,
      fields: [{ name: "why", label: "Why (optional)", isOptional: true }],
      act: (text) => act({ owner: author.value, ...(text("why") ? { message: text("why") } : {}) }),
    });
  const reasonOf = (action: HostAction) =>
    isAllowed(action, state) ? undefined : `The host is ${state}`;
  const mine = cordons.find(({ kind, owner }) => kind === "person" && owner === author.value);
  const cordon = () =>
    asked(
      {
        title: `Cordon ${id}?`,
        body: <p>No guest comes to it any more; its guests stay, and nothing moves.</p>,
        yes: "Cordon it",
        command: `switchyard host cordon ${id}`,
      },
      async (by) => {
        await api.cordonHost(id, by);
        return done(`${id} is cordoned`);
      },
    );
  const uncordon = async () => {
    await api.uncordonHost(id, { owner: author.value });
    return done(`The cordon of ${author.value} is ended`);
  };
  const maintain = () =>
    asked(
      {
        title: `Begin maintenance of ${id}?`,
        body: <p>The empty host stays closed until it is returned.</p>,
        yes: "Begin maintenance",
        command: `switchyard host maintenance ${id}`,
      },
      async (by) => {
        await api.maintainHost(id, by);
        return done(`${id} is in maintenance`);
      },
    );
  const confirmDown = () =>
    asked(
      {
        title: `Is ${id} down, and are its guests with it?`,
        body: (
          <p>
            Only say so after looking: what runs on there could run twice then. Moves that wait for
            this host are decided without it.
          </p>
        ),
        yes: "It is down",
        command: `switchyard host confirm-down ${id}`,
      },
      async (by) => {
        await api.confirmHostDown(id, by);
        return done(`${id} is down, by ${author.value}`);
      },
    );
  const giveBack = async () => {
    await api.returnHost(id);
    return done(`${id} takes guests again`);
  };
  const full = vms === 0 ? undefined : `${vms} VMs are on it: evacuate it first`;
  return (
    <div class="controls">
      <ActionButton reason={reasonOf("cordon")} act={cordon}>
        Cordon
      </ActionButton>
      <ActionButton
        reason={
          reasonOf("uncordon") ??
          (mine === undefined ? `${author.value} has no cordon here` : undefined)
        }
        act={uncordon}
      >
        Uncordon
      </ActionButton>
      <ActionButton reason={reasonOf("maintain") ?? full} act={maintain}>
        Begin maintenance
      </ActionButton>
      <ActionButton
        reason={state === "maintenance" ? undefined : `It is ${state}, not in maintenance`}
        act={giveBack}
      >
        Return it
      </ActionButton>
      <ActionButton
        tone="danger"
        reason={state === "silent" ? undefined : `It is ${state}, not silent`}
        act={confirmDown}
      >
        Confirm that it is down
      </ActionButton>
    </div>
  );
}
