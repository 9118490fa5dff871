import { useState } from "preact/hooks";
import { bytes } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Vm } from "../api-types.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { HostLink, MigrationLink, VmLink } from "../parts/links.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";
import { usePoller } from "../parts/use-poller.ts";

const PAGE_MAX = 100;

type Listed = { items: readonly Vm[]; next: string | undefined };

/** A page at a time: it is read again and again, and no browser draws 10,000 rows at 50 frames/s. */
export function VmsPage() {
  const [wanted, setWanted] = useState("");
  /** After which VM each page but the first begins, up to the one that is shown. */
  const [starts, setStarts] = useState<readonly string[]>([]);
  const after = starts.at(-1);
  const poller = usePoller<Listed>(
    `vms ${after ?? ""}`,
    async () => {
      const from = after === undefined ? {} : { after };
      const { items, next } = await client().listVms({ limit: PAGE_MAX, ...from });
      return { items, next };
    },
    ({ items }) => items.some(({ state }) => state === "migrating" || state === "starting"),
  );
  const page = poller?.value.value;
  const all = page?.items ?? [];
  const found = all.filter(({ id, host, state }) => `${id} ${host} ${state}`.includes(wanted));
  const isWhole = starts.length === 0 && page?.next === undefined;
  return (
    <Page title="VMs" name="VMs">
      <form class="search" onSubmit={(event) => open(event, wanted)}>
        <label>
          Name, host or state; Enter opens the VM of that name
          <input type="search" onInput={({ currentTarget }) => setWanted(currentTarget.value)} />
        </label>
      </form>
      <ReadState error={poller?.error.value} isThere={page !== undefined} />
      {page !== undefined && (
        <Section
          title={`${found.length} of ${all.length}${isWhole ? "" : ` on page ${starts.length + 1}`}`}
        >
          <VmTable rows={found} />
          {!isWhole && <Pages starts={starts} next={page.next} turnTo={setStarts} />}
        </Section>
      )}
    </Page>
  );
}

type PagesProps = {
  starts: readonly string[];
  next: string | undefined;
  turnTo: (starts: readonly string[]) => void;
};

function Pages({ starts, next, turnTo }: PagesProps) {
  return (
    <div class="controls">
      <button
        type="button"
        disabled={starts.length === 0}
        onClick={() => turnTo(starts.slice(0, -1))}
      >
        Previous page
      </button>
      <button
        type="button"
        disabled={next === undefined}
        onClick={() => next !== undefined && turnTo([...starts, next])}
      >
        Next page
      </button>
    </div>
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
