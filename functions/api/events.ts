import * as z from "zod";
import { EventCursor, EventFilter, EventPage } from "../../core/fleet-event/fleet-event.ts";
import { readEvents } from "../store/fleet-events.ts";
import { eventExamples } from "./examples/events.ts";
import { answer, createRoute, pageQuery, READ, refusals, routes } from "./routing.ts";

const TYPES_MAX = 20;

const list = createRoute({
  method: "get",
  path: "/v1/events",
  operationId: "listEvents",
  tags: ["Events"],
  summary: "List what has happened to the fleet, oldest first",
  description:
    "Migrations' phases and ends, changes of evacuations and hosts, run states of VMs; kept for 7 " +
    "days. Ask again with `cursor` as `after`: it is answered when there is nothing new, too. An event " +
    "is shown 3 seconds after it was written, so that none appears before a cursor; it may be shown " +
    "twice, with the same id. A function that is killed between the two writes loses the event of a " +
    "phase, a registered host, never that of an end.",
  request: {
    query: z.strictObject({
      limit: pageQuery(EventCursor).limit,
      after: EventCursor.optional().meta({
        param: { description: "`cursor` of an answer, or an instant; default: all that is kept" },
      }),
      type: z
        .string()
        .max(500)
        .transform((text) => text.split(","))
        .pipe(z.array(EventFilter).max(TYPES_MAX))
        .optional()
        .meta({
          type: "string",
          param: { description: "Types or nouns, separated by commas: `migration.failed,host`" },
        }),
    }),
  },
  responses: {
    200: answer("A page of events", EventPage, eventExamples.page),
    ...refusals(READ),
  },
});

export const events = routes().openapi(list, async (context) => {
  const { limit, after, type: types = [] } = context.req.valid("query");
  return context.json(await readEvents({ limit, after, types }), 200);
});
