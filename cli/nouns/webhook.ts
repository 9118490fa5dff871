import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { CliError } from "../exit/cli-error.ts";
import { type Input, parseLabels } from "../input.ts";
import type { Output } from "../output/output.ts";
import type { Session } from "../session.ts";
import type { Argument, Noun, Option, Verb } from "../verb.ts";

type Webhook = Awaited<ReturnType<Client["getWebhook"]>>;
type Made = Awaited<ReturnType<Client["createWebhook"]>>;
type Delivery = Awaited<ReturnType<Client["testWebhook"]>>;

const id: Argument = { name: "<webhook>", summary: "id of the webhook" };
const event: Argument = { name: "<event>", summary: "id of the event" };
const LIMIT_DEFAULT = 50;

const filters: readonly Option[] = [
  { flags: "--type <types>", summary: "only these, such as migration.failed,host" },
  { flags: "--label <name=value...>", summary: "only VMs and hosts with all of these labels" },
  { flags: "--tenant <tenants>", summary: "only VMs of these tenants, such as shop,mail" },
  { flags: "-m, --message <text>", summary: "what it is for, for people" },
];

export const webhookNoun: Noun = {
  name: "webhook",
  summary: "Webhooks: events are posted to a URL, signed",
  verbs: [
    {
      name: "list",
      summary: "List webhooks",
      operations: ["listWebhooks"],
      run: async ({ api, output }) => {
        const { items } = await api.listWebhooks();
        output.list(
          items,
          [
            { name: "WEBHOOK", text: (row) => row.id },
            { name: "STATUS", text: (row) => row.status },
            { name: "URL", text: ({ url }) => url },
            { name: "TYPES", text: ({ types }) => types.join(",") || "all" },
            { name: "FAILING SINCE", text: ({ failingSince }) => failingSince ?? "", wide: true },
          ],
          (row) => row.id,
        );
        return undefined;
      },
    },
    {
      name: "show",
      summary: "Show a webhook",
      operations: ["getWebhook"],
      arguments: [id],
      run: async ({ api, output }, input) => show(output, await api.getWebhook(input.argument(0))),
    },
    {
      name: "add",
      summary: "Add a webhook; its secret is shown once",
      operations: ["createWebhook"],
      arguments: [{ name: "<url>", summary: "https URL of the receiver" }],
      options: filters,
      run: async ({ api, output }, input) => {
        const made = await api.createWebhook({ url: input.argument(0), ...chosen(input) });
        return showSecret(output, made);
      },
    },
    {
      name: "change",
      summary: "Change what a webhook is told, or what it is for",
      operations: ["changeWebhook"],
      arguments: [id],
      options: filters,
      run: async ({ api, output }, input) => {
        const change = chosen(input);
        if (Object.keys(change).length === 0) {
          throw new CliError("usage", "Expected --type, --label, --tenant or --message");
        }
        return show(output, await api.changeWebhook(input.argument(0), change));
      },
    },
    statusVerb("pause", "paused", "Deliver no new events; those in between are left out"),
    statusVerb("resume", "enabled", "Deliver again: it was paused, or was disabled"),
    {
      name: "rotate",
      summary: "Make another secret; for 24 hours deliveries are signed with both",
      operations: ["rotateWebhookSecret"],
      arguments: [id],
      run: async (session, input) => {
        const given = input.argument(0);
        await session.confirm(`Make another secret for ${given}? The old one ends in 24 hours.`);
        return showSecret(session.output, await session.api.rotateWebhookSecret(given));
      },
    },
    {
      name: "test",
      summary: "Deliver a test event",
      operations: ["testWebhook"],
      arguments: [id],
      run: async ({ api, output }, input) =>
        showDelivery(output, await api.testWebhook(input.argument(0))),
    },
    {
      name: "remove",
      summary: "Remove a webhook",
      operations: ["deleteWebhook"],
      arguments: [id],
      run: async (session, input) => {
        const given = input.argument(0);
        await session.confirm(`Remove ${given}? What waits for it is not delivered.`);
        await session.api.deleteWebhook(given);
        session.output.note(`${given} is gone`);
        return undefined;
      },
    },
    {
      name: "deliveries",
      summary: "List deliveries of a webhook, newest event first",
      operations: ["listDeliveries"],
      arguments: [id],
      options: [{ flags: "--limit <number>", summary: `so many at most (${LIMIT_DEFAULT})` }],
      run: runDeliveries,
    },
    {
      name: "redeliver",
      summary: "Deliver an event again",
      operations: ["redeliverEvent"],
      arguments: [id, event],
      run: async ({ api, output }, input) =>
        showDelivery(output, await api.redeliverEvent(input.argument(0), input.argument(1))),
    },
  ],
};

function statusVerb(name: string, status: "enabled" | "paused", summary: string): Verb {
  return {
    name,
    summary,
    operations: ["changeWebhook"],
    arguments: [id],
    run: async ({ api, output }, input) =>
      show(output, await api.changeWebhook(input.argument(0), { status })),
  };
}

/** @throws CliError */
function chosen(input: Input) {
  const types = input.text("type");
  const labels = parseLabels(input.texts("label"));
  const tenants = input.text("tenant");
  const message = input.text("message");
  const wrong = Object.entries(labels).find(([, value]) => value === null);
  if (wrong !== undefined) throw new CliError("usage", `Expected a value for label ${wrong[0]}`);
  return {
    ...(types === undefined ? {} : { types: types.split(",") }),
    ...(input.texts("label").length === 0 ? {} : { labels: labels as Record<string, string> }),
    ...(tenants === undefined ? {} : { tenants: tenants.split(",") }),
    ...(message === undefined ? {} : { message }),
  };
}

async function runDeliveries({ api, output }: Session, input: Input): Promise<undefined> {
  const given = input.argument(0);
  const limit = input.whole("limit", 1) ?? LIMIT_DEFAULT;
  const deliveries = await allOf((page) => api.listDeliveries(given, page), limit);
  output.list(
    deliveries,
    [
      { name: "EVENT", text: (row) => row.event.id },
      { name: "TYPE", text: (row) => row.event.type },
      { name: "STATUS", text: ({ status }) => status },
      { name: "TRIES", text: ({ tries }) => String(tries.length), right: true },
      { name: "LAST", text: lastOf },
      { name: "NEXT", text: ({ dueAt }) => dueAt ?? "", wide: true },
    ],
    (row) => row.event.id,
  );
  return undefined;
}

function lastOf({ tries }: Delivery): string {
  const last = tries.at(-1);
  return last === undefined ? "" : (last.error ?? `answered ${last.status}`);
}

function show(output: Output, webhook: Webhook): undefined {
  output.object(webhook, webhook.id, fieldsOf(webhook));
}

function showSecret(output: Output, made: Made): undefined {
  output.object(made, made.webhook.id, [
    ...fieldsOf(made.webhook),
    ["secret", made.secret],
    ["old secret until", made.previousUntil],
  ]);
  output.note("The secret is not shown again: give it to the receiver now");
}

function fieldsOf(webhook: Webhook): (readonly [string, string | undefined])[] {
  const labels = Object.entries(webhook.labels).map(([name, value]) => `${name}=${value}`);
  return [
    ["webhook", webhook.id],
    ["url", webhook.url],
    ["status", webhook.status],
    ["reason", webhook.reason],
    ["types", webhook.types.join(", ") || "all"],
    ["labels", labels.join(", ")],
    ["tenants", webhook.tenants.join(", ")],
    ["message", webhook.message],
    ["failing since", webhook.failingSince],
  ];
}

function showDelivery(output: Output, delivery: Delivery): undefined {
  output.object(delivery, delivery.event.id, [
    ["event", delivery.event.id],
    ["type", delivery.event.type],
    ["status", delivery.status],
    ["due", delivery.dueAt],
  ]);
  output.note(`Follow it with: switchyard webhook deliveries ${delivery.webhook}`);
}
