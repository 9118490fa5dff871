import { bytes, rate } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Migration } from "../api-types.ts";
import { refreshFleet } from "../fleet.ts";
import { migrationReason } from "../model/controls.ts";
import { hrefTo } from "../routes.ts";
import { ActionButton } from "./action-button.tsx";
import { ask } from "./ask.tsx";

type Props = { migration: Migration; refresh: () => Promise<void> | undefined };

const MIB = 2 ** 20;

/** All that can be done to a migration; what cannot be done now says why. */
export function MigrationControls({ migration, refresh }: Props) {
  const { id, vm, source, target } = migration;
  const after = async (text: string) => {
    await refresh();
    refreshFleet();
    return text;
  };
  const cancel = () =>
    ask({
      title: `Cancel the move of ${vm}?`,
      body: (
        <p>
          The guest keeps running on {source}; what was sent to {target} is dropped.
        </p>
      ),
      yes: "Cancel the migration",
      isDanger: true,
      command: `switchyard migration cancel ${id}`,
      act: async () => {
        await client().cancelMigration(id);
        return after(`The move of ${vm} ends; it stays on ${source}`);
      },
    });
  const permit = async () => {
    await client().permitSwitchover(id);
    return after(`${vm} may switch over`);
  };
  const waive = () =>
    ask({
      title: `Go on without the ACK of ${vm}?`,
      body: <p>This migration is taken back, and a successor moves the guest without the ACK.</p>,
      yes: "Waive the ACK",
      isDanger: true,
      command: `switchyard migration waive-ack ${id}`,
      act: async () => {
        await client().waiveAck(id);
        return after(`${vm} goes on without the ACK`);
      },
    });
  return (
    <div class="controls">
      <ActionButton reason={migrationReason(migration, "permit")} tone="first" act={permit}>
        Permit the switchover
      </ActionButton>
      <ActionButton
        reason={migrationReason(migration, "bandwidth")}
        act={() => askBandwidth(migration, after)}
      >
        Limit the bandwidth
      </ActionButton>
      <ActionButton reason={migrationReason(migration, "waive")} act={waive}>
        Waive the ACK
      </ActionButton>
      <ActionButton reason={migrationReason(migration, "cancel")} tone="danger" act={cancel}>
        Cancel
      </ActionButton>
      <ActionButton reason={againReason(migration)} act={() => askAgain(migration)}>
        Try again
      </ActionButton>
    </div>
  );
}

function againReason({ status }: Migration): string | undefined {
  if (status === "running") return "It goes on";
  if (status === "unknown") return "Nobody knows where the guest runs: reconcile the VM first";
  return status === "completed" ? "It is done" : undefined;
}

function askAgain({ vm, source, target, policy }: Migration): undefined {
  return ask({
    title: `Move ${vm} to ${target} again?`,
    body: (
      <p>
        A new migration from {source} to {target} with the same policy.
      </p>
    ),
    yes: "Move it",
    command: `switchyard migrate ${vm} --to ${target}`,
    act: async () => {
      const { id } = await client().createMigration({ vm, target, policy }, crypto.randomUUID());
      location.hash = hrefTo("migrations", id);
      return `${vm} moves to ${target}`;
    },
  });
}

function askBandwidth(
  { id, maxBandwidthBytesPerSecond, policy }: Migration,
  after: (text: string) => Promise<string>,
): undefined {
  const now = maxBandwidthBytesPerSecond ?? policy.maxBandwidthBytesPerSecond ?? 0;
  return ask({
    title: "Limit the bandwidth",
    body: <p>Now: {now === 0 ? "no limit" : rate(now)}. The limit ends with the guest's stop.</p>,
    yes: "Set the limit",
    fields: [
      {
        name: "rate",
        label: "MiB/s, 0 for no limit",
        value: String(Math.round(now / MIB)),
        kind: "decimal",
      },
    ],
    command: `switchyard migration limit ${id} 500M`,
    act: async (text) => {
      const wanted = Math.round(Number(text("rate")) * MIB);
      await client().setBandwidth(id, wanted);
      return after(wanted === 0 ? "No limit any more" : `The limit is ${bytes(wanted)}/s`);
    },
  });
}
