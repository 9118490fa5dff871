import type { HostId } from "../../core/id.ts";
import { changeLabels } from "../../core/labels.ts";
import type { HostChange } from "../../core/protocol/host.ts";
import { refuseFields } from "../http/invalid.ts";
import type { SettingsChange } from "../store/host-settings.ts";
import type { StoredHost } from "../store/hosts.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { changeHost } from "./cordon-host.ts";

/**
 * Sets labels and limits of a host. Migrations that have their slots keep them, also where there are
 * fewer now; more slots admit who waits.
 *
 * @throws Problem host-not-found, host-changed, invalid
 */
export async function setHost(id: HostId, change: HostChange): Promise<StoredHost> {
  const host = await changeHost(id, (now) => settingsOf(now, change));
  const hasMoreSlots = change.slotsIn !== undefined || change.slotsOut !== undefined;
  if (hasMoreSlots) await admitWaiting([id]);
  return host;
}

function settingsOf(host: StoredHost, change: HostChange): SettingsChange {
  const { labels: labelChange, linkOutBytesPerSecond: out, linkInBytesPerSecond: inward } = change;
  const { slotsOut = host.slotsOut, slotsIn = host.slotsIn } = change;
  const settings = {
    slotsOut,
    slotsIn,
    linkOutBytesPerSecond: rateOf(out, host.linkOutBytesPerSecond),
    linkInBytesPerSecond: rateOf(inward, host.linkInBytesPerSecond),
  };
  if (labelChange === undefined) return settings;
  const labels = changeLabels(host.labels, labelChange);
  if (labels !== undefined) return { ...settings, labels };
  const received = `${Object.keys(host.labels).length} labels, and those of the request`;
  throw refuseFields([{ field: "labels", rule: "at most 64 labels for a host", received }]);
}

/** `null` removes it, undefined keeps what is there. */
function rateOf(wanted: number | null | undefined, known: number | undefined): number | undefined {
  return wanted === undefined ? known : (wanted ?? undefined);
}
