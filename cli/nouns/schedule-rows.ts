import type { Client } from "../../client/client.ts";
import { duration } from "../../core/format.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";

export type Schedule = Awaited<ReturnType<Client["getSchedule"]>>;
type Preview = Awaited<ReturnType<Client["previewSchedule"]>>;

function startsText({ starts }: Schedule): string {
  return `${"cron" in starts ? starts.cron : starts.at} ${starts.zone}`;
}

export function scheduleColumns(session: Session): Column<Schedule>[] {
  return [
    { name: "SCHEDULE", text: (row) => row.id },
    { name: "NAME", text: ({ name }) => name },
    { name: "STARTS", text: startsText },
    { name: "FOR", text: ({ durationMs }) => duration(durationMs) },
    {
      name: "NEXT",
      text: ({ paused, next }) => {
        if (paused !== undefined) return `paused by ${paused.author}`;
        const [first] = next;
        return first === undefined ? "over" : session.time(first.startsAt);
      },
    },
    { name: "EVACUATION", text: ({ evacuation }) => evacuation ?? "", wide: true },
  ];
}

export function showSchedule(session: Session, shown: Schedule): undefined {
  const { paused, skipped = [], extra, current, next, runs = [], missed } = shown;
  const time = (at: string) => session.time(at);
  const word = missed?.isAtLeast === true ? "at least " : "";
  session.output.object(shown, shown.id, [
    ["schedule", shown.id],
    ["name", shown.name],
    ["starts", startsText(shown)],
    ["for", duration(shown.durationMs)],
    ["made by", shown.by],
    ["paused", whoText(paused)],
    ["skipped", skipped.map(skipText(time)).join("; ")],
    ["opened by", isExtra(shown) ? whoText(extra) : undefined],
    ["open until", current === undefined ? undefined : time(current.endsAt)],
    ["next", next.map(({ startsAt }) => time(startsAt)).join(", ") || "none"],
    ["evacuation", shown.evacuation],
    ["last", runs.map(runText(time)).join("; ")],
    ["missed", missed && `${word}${missed.count}, ${time(missed.first)} to ${time(missed.last)}`],
  ]);
  return undefined;
}

/** Who has asked for something, and why. */
function whoText(by: { author: string; message?: string | undefined } | undefined) {
  return by && [by.author, by.message].filter((one) => one !== undefined).join(": ");
}

function skipText(time: (at: string) => string) {
  return (one: NonNullable<Schedule["skipped"]>[number]) =>
    `${time(one.startsAt)} by ${whoText(one)}`;
}

/** The window that is open is one that a person has opened. */
function isExtra({ extra, current }: Schedule): boolean {
  return extra !== undefined && extra.startsAt === current?.startsAt;
}

function runText(time: (at: string) => string) {
  return ({ startsAt, outcome, reason, deliveries }: NonNullable<Schedule["runs"]>[number]) => {
    const repeated = deliveries > 1 ? `, delivered ${deliveries} times` : "";
    return `${time(startsAt)} ${outcome}${repeated}${reason === undefined ? "" : ` (${reason})`}`;
  };
}

export function showPreview(session: Session, name: string, shown: Preview): undefined {
  session.output.object(shown, name, [
    ["schedule", name],
    ["next", shown.next.map(({ startsAt }) => session.time(startsAt)).join(", ") || "none"],
    ["hosts", shown.hosts.join(" ") || "none now"],
    ["left alone", shown.skipped.map(({ host, reason }) => `${host}: ${reason}`).join("; ")],
    ["vms", `${shown.moves} move, ${shown.unplaced} stay`],
    ["takes", `${duration(shown.etaMs)}, ${duration(shown.lowerBoundMs)} at least`],
    ["warnings", shown.warnings.join("; ")],
  ]);
  return undefined;
}
