import type { Client } from "../client/client.ts";
import { CliError } from "./exit/cli-error.ts";
import { type Input, parseLabels } from "./input.ts";
import type { Option } from "./verb.ts";

type Notice = NonNullable<Parameters<Client["createEvacuation"]>[0]["notice"]>;

/** What owners of VMs are told before these move. */
export const noticeOptions: readonly Option[] = [
  {
    flags: "--notice <time>",
    summary: "owners of VMs are told, and have so long to acknowledge, such as 24h",
  },
  {
    flags: "--notice-otherwise <what>",
    summary: "without it: move (the default) or hold the VM back",
  },
  { flags: "--notice-postpone <time>", summary: "how much later they may have the move begin" },
  { flags: "--notice-label <name=value...>", summary: "only VMs with all of these labels" },
  { flags: "--notice-tenant <tenant...>", summary: "only VMs of these tenants" },
  { flags: "--notice-message <text>", summary: "why, for the owners" },
];

/** @throws CliError when an option does not fit */
export function noticeFrom(input: Input): Notice | undefined {
  const deadlineMs = input.durationMs("notice");
  const otherwise = input.text("noticeOtherwise");
  const postponeMs = input.durationMs("noticePostpone");
  const labels = input.texts("noticeLabel");
  const tenants = input.texts("noticeTenant");
  const message = input.text("noticeMessage");
  if (deadlineMs === undefined) {
    const isAlone = [otherwise, postponeMs, message, ...labels, ...tenants].some(
      (one) => one !== undefined,
    );
    if (!isAlone) return undefined;
    throw new CliError("usage", "Expected --notice with the other options of a notice");
  }
  if (otherwise !== undefined && otherwise !== "move" && otherwise !== "hold") {
    throw new CliError("usage", `Expected --notice-otherwise to be move or hold, got ${otherwise}`);
  }
  return {
    deadlineMs,
    ...(otherwise === undefined ? {} : { otherwise }),
    ...(postponeMs === undefined ? {} : { postponeMs }),
    ...(labels.length === 0 ? {} : { labels: labelsFrom(labels) }),
    ...(tenants.length === 0 ? {} : { tenants: [...tenants] }),
    ...(message === undefined ? {} : { message }),
  };
}

function labelsFrom(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parseLabels(words)).map(([name, value]) => [name, value ?? ""]),
  );
}
