import { bytes, clockOffset, rate } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Host, HostRecord } from "../api-types.ts";
import { type Drain, loadDrain } from "../data/host.ts";
import { fleetError, fleetView } from "../fleet.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { DrainPreview } from "../parts/drain-preview.tsx";
import { HostControls } from "../parts/host-controls.tsx";
import { Instant } from "../parts/instant.tsx";
import { MovesTable } from "../parts/moves-table.tsx";
import { Facts, Page, ReadState, Section } from "../parts/page.tsx";
import { usePoller } from "../parts/use-poller.ts";
import { LONG_REST_MS } from "../polling.ts";

export function HostPage({ id }: { id: string }) {
  const view = fleetView.value;
  const host = view?.fleet.hosts.find((one) => one.id === id);
  const never = () => false;
  // The fleet's snapshot has no facts. Without them the page says what it knows.
  const record = usePoller<HostRecord>(id, () => client().getHost(id), never, LONG_REST_MS);
  const drain = usePoller<Drain>(id, () => loadDrain(client(), id), never, LONG_REST_MS);
  return (
    <Page kind="Host" title={id} name={id} aside={host && <Badge state={host.state} />}>
      <ReadState error={fleetError.value} isThere={view !== undefined} />
      {view !== undefined && host === undefined && <p>There is no host {id} in the fleet.</p>}
      {view !== undefined && host !== undefined && (
        <>
          <div class="columns">
            <Section title="Host">
              <HostFacts host={host} more={record?.value.value} />
            </Section>
            <Section title="Controls">
              <HostControls host={host} />
            </Section>
          </div>
          <Cordons host={host} />
          <Section title="What can move, and why not">
            <ReadState error={drain?.error.value} isThere={drain?.value.value !== undefined} />
            {drain?.value.value !== undefined && (
              <DrainPreview host={host} drain={drain.value.value} refresh={() => drain.refresh()} />
            )}
          </Section>
          <Section title="Moves in flight">
            <MovesTable
              moves={view.fleet.migrations.filter(
                ({ status, source, target }) =>
                  status === "running" && (source === id || target === id),
              )}
              empty="None from this host or to it."
            />
          </Section>
        </>
      )}
    </Page>
  );
}

/** @param more the record by itself: the fleet's snapshot has no facts, and may be older */
function HostFacts({ host, more }: { host: Host; more: HostRecord | undefined }) {
  const { usage, slotsOut, slotsIn, labels, stateBy, unfitEvent, vms } = host;
  const { facts, heardAt = host.heardAt } = more ?? {};
  const memory = usage?.memoryBytes;
  const used = bytes(usage?.reservedBytes ?? 0);
  const linkOut = host.linkOutBytesPerSecond ?? facts?.linkBytesPerSecond;
  const linkIn = host.linkInBytesPerSecond ?? facts?.linkBytesPerSecond;
  const by = stateBy && `${stateBy.owner}${stateBy.message ? `: “${stateBy.message}”` : ""}`;
  return (
    <Facts
      facts={[
        ["Heard", heardAt === undefined ? "never" : <Instant at={heardAt} />],
        ["Clock", clockOffset((more ?? host).clockOffsetMs)],
        ["VMs", vms],
        ["Memory", `${used} of ${memory === undefined ? "unknown" : bytes(memory)}`],
        ["Moves out", `${usage?.outgoing ?? 0} of ${slotsOut} slots`],
        ["Moves in", `${usage?.incoming ?? 0} of ${slotsIn} slots`],
        ["Link", linkText(linkOut, linkIn)],
        ["QEMU", facts?.qemu.version.package ?? versionText(facts)],
        ["Agent", facts?.agentVersion],
        ["Kernel", facts?.kernel],
        ["CPU", facts?.cpu?.model],
        [
          "Labels",
          Object.entries(labels)
            .map(([name, value]) => `${name}=${value}`)
            .join(" "),
        ],
        ["By", by],
        ["Cannot listen", facts?.cannotListen],
        ["Event passed", unfitEvent && `${unfitEvent.type}: ${unfitEvent.reason}`],
      ]}
    />
  );
}

function versionText(facts: HostRecord["facts"]): string | undefined {
  if (facts === undefined) return undefined;
  const { major, minor, micro } = facts.qemu.version;
  return `${major}.${minor}.${micro}`;
}

function linkText(out: number | undefined, into: number | undefined): string {
  if (out === undefined && into === undefined) return "unknown";
  if (out === into && out !== undefined) return rate(out);
  return `${out === undefined ? "?" : rate(out)} out, ${into === undefined ? "?" : rate(into)} in`;
}

function Cordons({ host: { cordons } }: { host: Host }) {
  if (cordons.length === 0) return null;
  return (
    <Section title="Who wants no guest to come">
      <DataTable
        caption="Cordons"
        rows={cordons}
        keyOf={({ owner, kind }) => `${kind} ${owner}`}
        columns={[
          {
            name: "Owner",
            cell: ({ owner, kind }) =>
              kind === "evacuation" ? <a href={`#/evacuations/${owner}`}>{owner}</a> : owner,
          },
          { name: "Since", cell: ({ since }) => <Instant at={since} /> },
          {
            name: "Why",
            cell: ({ message, drains }) => message ?? (drains ? "it empties the host" : ""),
          },
        ]}
      />
    </Section>
  );
}
