import { hrefTo } from "../routes.ts";
import { Icon } from "./icon.tsx";

export function HostLink({ id }: { id: string }) {
  return <a href={hrefTo("hosts", id)}>{id}</a>;
}

export function VmLink({ id }: { id: string }) {
  return <a href={hrefTo("vms", id)}>{id}</a>;
}

export function MigrationLink({ id, children }: { id: string; children?: string }) {
  return <a href={hrefTo("migrations", id)}>{children ?? id}</a>;
}

/** From where to where. */
export function Route({ source, target }: { source: string; target: string }) {
  return (
    <span class="route">
      <HostLink id={source} />
      <Icon name="arrow" />
      <span class="hidden">to</span>
      <HostLink id={target} />
    </span>
  );
}
