import type { HostId } from "../../core/id.ts";
import { changeLabels } from "../../core/labels.ts";
import type { HostChange } from "../../core/protocol/host.ts";
import { refuseFields } from "../http/invalid.ts";
import type { SettingsChange } from "../store/host-settings.ts";
import type { StoredHost } from "../store/hosts.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { changeHost } from "./cordon-host.ts";
import { byInvocation } from "./wake-by-invocation.ts";

/**
 * Sets labels and limits of a host. Migrations that have their slots keep them, also where there are
 * fewer now; more slots admit who waits, and other labels may give a VM a place.
 *
 * @throws Problem host-not-found, host-changed, invalid
 */
export async function setHost(id: HostId, change: HostChange): Promise<StoredHost> {
  const host = await changeHost(id, (now) => settingsOf(now, change));
  await admitWaiting({ hosts: [id], makesRoom: true }, byInvocation);
  return host;
}

function settingsOf(host: StoredHost, change: HostChange): SettingsChange {
  const { labels: labelChange, linkOutBytesPerSecond: out, linkInBytesPerSecond: inward } = change;
  const { slotsOut = host.slotsOut, slotsIn = host.slotsIn } = change;
  const settings = {
    slotsOut,
    slotsIn,
    prepareAhead: orNone(change.prepareAhead, host.prepareAhead),
    linkOutBytesPerSecond: orNone(out, host.linkOutBytesPerSecond),
    linkInBytesPerSecond: orNone(inward, host.linkInBytesPerSecond),
  };
  if (labelChange === undefined) return settings;
  const labels = changeLabels(host.labels, labelChange);
  if (labels !== undefined) return { ...settings, labels };
  const received = `${Object.keys(host.labels).length} labels, and those of the request`;
  throw refuseFields([{ field: "labels", rule: "at most 64 labels for a host", received }]);
}

/** `null` removes it, undefined keeps what is there. */
function orNone(wanted: number | null | undefined, known: number | undefined): number | undefined {
  return wanted === undefined ? known : (wanted ?? undefined);
}
