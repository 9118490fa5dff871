import { useState } from "preact/hooks";
import { bytes } from "../../core/format.ts";
import { client, problemText } from "../api.ts";
import type { Vm } from "../api-types.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { HostLink, MigrationLink, VmLink } from "../parts/links.tsx";
import { say } from "../parts/notices.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";
import { usePoller } from "../parts/use-poller.ts";

const PAGE_MAX = 100;

type Listed = { items: readonly Vm[]; next: string | undefined };

export function VmsPage() {
  const [wanted, setWanted] = useState("");
  const [more, setMore] = useState<Listed | undefined>(undefined);
  const poller = usePoller<Listed>(
    "vms",
    async () => {
      const { items, next } = await client().listVms({ limit: PAGE_MAX });
      return { items, next };
    },
    ({ items }) => items.some(({ state }) => state === "migrating" || state === "starting"),
  );
  const first = poller?.value.value;
  const next = more === undefined ? first?.next : more.next;
  const readMore = async () => {
    if (next === undefined) return;
    try {
      const page = await client().listVms({ limit: PAGE_MAX, after: next });
      setMore({ items: [...(more?.items ?? []), ...page.items], next: page.next });
    } catch (error) {
      say("bad", problemText(error));
    }
  };
  const all = [...(first?.items ?? []), ...(more?.items ?? [])];
  const found = all.filter(({ id, host, state }) => `${id} ${host} ${state}`.includes(wanted));
  return (
    <Page title="VMs" name="VMs">
      <form class="search" onSubmit={(event) => open(event, wanted)}>
        <label>
          Name, host or state; Enter opens the VM of that name
          <input type="search" onInput={({ currentTarget }) => setWanted(currentTarget.value)} />
        </label>
      </form>
      <ReadState error={poller?.error.value} isThere={first !== undefined} />
      {first !== undefined && (
        <Section
          title={`${found.length} of ${all.length}${next === undefined ? "" : " that were read"}`}
        >
          <VmTable rows={found} />
          {next !== undefined && (
            <button type="button" onClick={readMore}>
              Read more
            </button>
          )}
        </Section>
      )}
    </Page>
  );
}

/** A VM can be opened by its name also before its page of the list was read. */
function open(event: Event, name: string): void {
  event.preventDefault();
  if (name !== "") location.hash = `#/vms/${encodeURIComponent(name)}`;
}

function VmTable({ rows }: { rows: readonly Vm[] }) {
  return (
    <DataTable
      caption="VMs"
      rows={rows}
      keyOf={({ id }) => id}
      empty="None."
      columns={[
        { name: "VM", cell: ({ id }) => <VmLink id={id} /> },
        { name: "State", cell: ({ state }) => <Badge state={state} of="vm" /> },
        { name: "Host", cell: ({ host }) => <HostLink id={host} /> },
        { name: "Memory", cell: ({ definition }) => bytes(definition.memoryBytes), isFigure: true },
        {
          name: "Held by",
          cell: ({ lockedBy }) => lockedBy && <MigrationLink id={lockedBy} />,
        },
        { name: "Detail", cell: ({ detail }) => detail ?? "", isWide: true },
      ]}
    />
  );
}
