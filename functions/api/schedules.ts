import { requireWithinBlastRadius } from "../service/blast-radius.ts";
import { addFreeze, endFreeze, listFreezes } from "../service/change-freezes.ts";
import { previewSchedule } from "../service/preview-schedule.ts";
import {
  deleteSchedule,
  editSchedule,
  makeSchedule,
  newScheduleId,
  pauseSchedule,
  requireSchedule,
  resumeSchedule,
  showSchedule,
  showSchedules,
} from "../service/schedule-actions.ts";
import {
  requireRunnable,
  runSchedule,
  skipWindow,
  unskipWindow,
} from "../service/schedule-windows.ts";
import { hasScope } from "./caller.ts";
import { requireSoundPolicy } from "./policy-problem.ts";
import { routes } from "./routing.ts";
import * as operations from "./schedule-operations.ts";

/** Windows of a dry run. */
const DRY_RUN_COUNT = 20;

export const schedules = routes()
  .openapi(operations.create, async (context) => {
    const request = context.req.valid("json");
    requireSoundPolicy(request.policy);
    if (context.req.valid("query").dryRun === "true") {
      const of = { id: newScheduleId(), count: DRY_RUN_COUNT };
      const preview = await previewSchedule(request, of);
      return context.json({ dryRun: true as const, preview }, 200);
    }
    const made = await makeSchedule(request);
    context.header("location", `/v1/schedules/${made.id}`);
    return context.json(await showSchedule(made), 201);
  })
  .openapi(operations.list, async (context) =>
    context.json(await showSchedules(context.req.valid("query")), 200),
  )
  .openapi(operations.get, async (context) => {
    const found = await requireSchedule(context.req.valid("param").id);
    return context.json(await showSchedule(found), 200);
  })
  .openapi(operations.preview, async (context) => {
    const { id } = context.req.valid("param");
    const { count } = context.req.valid("query");
    return context.json(await previewSchedule(await requireSchedule(id), { id, count }), 200);
  })
  .openapi(operations.change, async (context) => {
    const changed = context.req.valid("json");
    if (changed.policy !== undefined) requireSoundPolicy(changed.policy);
    const edited = await editSchedule(context.req.valid("param").id, changed);
    return context.json(await showSchedule(edited), 200);
  })
  .openapi(operations.remove, async (context) => {
    await deleteSchedule(context.req.valid("param").id);
    return context.body(null, 204);
  })
  .openapi(operations.pause, async (context) => {
    const { by, message } = context.req.valid("json");
    const paused = await pauseSchedule(context.req.valid("param").id, { author: by, message });
    return context.json(await showSchedule(paused), 200);
  })
  .openapi(operations.resume, async (context) => {
    const resumed = await resumeSchedule(context.req.valid("param").id);
    return context.json(await showSchedule(resumed), 200);
  })
  .openapi(operations.run, async (context) => {
    const { id } = context.req.valid("param");
    const { by, message } = context.req.valid("json");
    const cap = hasScope(context, "admin") ? async () => undefined : requireWithinBlastRadius;
    if (context.req.valid("query").dryRun === "true") {
      const found = await requireSchedule(id);
      await cap(await requireRunnable(found, Date.now()));
      const preview = await previewSchedule(found, { id, count: DRY_RUN_COUNT });
      return context.json({ dryRun: true as const, preview }, 200);
    }
    const ran = await runSchedule(id, { author: by, message }, cap);
    return context.json(await showSchedule(ran), 200);
  })
  .openapi(operations.skip, async (context) => {
    const { startsAt, by, message } = context.req.valid("json");
    const { id } = context.req.valid("param");
    const skipping = await skipWindow(id, startsAt, { author: by, message });
    return context.json(await showSchedule(skipping), 200);
  })
  .openapi(operations.unskip, async (context) => {
    const { startsAt } = context.req.valid("json");
    const changed = await unskipWindow(context.req.valid("param").id, startsAt);
    return context.json(await showSchedule(changed), 200);
  })
  .openapi(operations.addFreeze, async (context) =>
    context.json(await addFreeze(context.req.valid("json")), 201),
  )
  .openapi(operations.listFreezes, async (context) =>
    context.json({ items: await listFreezes() }, 200),
  )
  .openapi(operations.removeFreeze, async (context) => {
    await endFreeze(context.req.valid("param").id);
    return context.body(null, 204);
  });
