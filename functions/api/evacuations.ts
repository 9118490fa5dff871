import { approveEvacuation, requireVersion } from "../service/approve-evacuation.ts";
import { requireWithinBlastRadius } from "../service/blast-radius.ts";
import { requireEvacuation } from "../service/change-evacuation.ts";
import {
  cancelEvacuation,
  limitEvacuation,
  pauseEvacuation,
  rejectEvacuation,
  resumeEvacuation,
  rollBackEvacuation,
} from "../service/evacuation-actions.ts";
import { acknowledgeMove, retryVm, skipVm } from "../service/evacuation-vms.ts";
import { previewRollback } from "../service/plan-way-back.ts";
import { dryRunEvacuation, requestEvacuation } from "../service/request-evacuation.ts";
import { listMoves, publicMove } from "../store/evacuation-moves.ts";
import { listEvacuations, publicEvacuation, type StoredEvacuation } from "../store/evacuations.ts";
import { hasScope } from "./caller.ts";
import * as operations from "./evacuation-operations.ts";
import { requireSoundPolicy } from "./policy-problem.ts";
import { routes } from "./routing.ts";

const shown = (evacuation: StoredEvacuation) => publicEvacuation(evacuation, Date.now());
const author = ({ by, message }: { by: string; message?: string | undefined }) => ({
  author: by,
  message,
});

export const evacuations = routes()
  .openapi(operations.create, async (context) => {
    const request = context.req.valid("json");
    requireSoundPolicy(request.policy);
    if (context.req.valid("query").dryRun === "true") {
      const plan = JSON.parse(JSON.stringify(await dryRunEvacuation(request)));
      return context.json({ dryRun: true as const, plan }, 200);
    }
    if (!hasScope(context, "admin")) await requireWithinBlastRadius(request.hosts);
    const key = context.req.valid("header")["idempotency-key"];
    const { evacuation, replayed } = await requestEvacuation(request, key);
    context.header("location", `/v1/evacuations/${evacuation.id}`);
    if (replayed) context.header("idempotency-replayed", "true");
    return context.json(shown(evacuation), 201);
  })
  .openapi(operations.list, async (context) =>
    context.json(await listEvacuations(context.req.valid("query")), 200),
  )
  .openapi(operations.get, async (context) =>
    context.json(shown(await requireEvacuation(context.req.valid("param").id)), 200),
  )
  .openapi(operations.getPlan, async (context) => {
    const { id, version } = context.req.valid("param");
    await requireEvacuation(id);
    const { outline, reason, changes, at, plan } = await requireVersion(id, version);
    const document = JSON.parse(JSON.stringify(plan));
    return context.json({ outline, reason, changes, at, plan: document }, 200);
  })
  .openapi(operations.listMoves, async (context) => {
    const { id } = context.req.valid("param");
    const [, page] = await Promise.all([
      requireEvacuation(id),
      listMoves(id, context.req.valid("query")),
    ]);
    return context.json({ ...page, items: page.items.map(publicMove) }, 200);
  })
  .openapi(operations.setLimits, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(shown(await limitEvacuation(id, context.req.valid("json"))), 200);
  })
  .openapi(operations.approve, async (context) => {
    const { version, by } = context.req.valid("json");
    const { id } = context.req.valid("param");
    if (!hasScope(context, "admin")) {
      const { hosts } = await requireEvacuation(id);
      await requireWithinBlastRadius(hosts.map(({ host }) => host));
    }
    return context.json(shown(await approveEvacuation(id, { version, author: by })), 202);
  })
  .openapi(operations.reject, async (context) => {
    const by = author(context.req.valid("json"));
    return context.json(shown(await rejectEvacuation(context.req.valid("param").id, by)), 202);
  })
  .openapi(operations.pause, async (context) => {
    const by = author(context.req.valid("json"));
    return context.json(shown(await pauseEvacuation(context.req.valid("param").id, by)), 202);
  })
  .openapi(operations.resume, async (context) => {
    const by = author(context.req.valid("json"));
    return context.json(shown(await resumeEvacuation(context.req.valid("param").id, by)), 202);
  })
  .openapi(operations.cancel, async (context) => {
    const by = author(context.req.valid("json"));
    return context.json(shown(await cancelEvacuation(context.req.valid("param").id, by)), 202);
  })
  .openapi(operations.getRollback, async (context) => {
    const plan = await previewRollback(context.req.valid("param").id);
    return context.json(JSON.parse(JSON.stringify(plan)), 200);
  })
  .openapi(operations.rollback, async (context) => {
    const by = author(context.req.valid("json"));
    return context.json(shown(await rollBackEvacuation(context.req.valid("param").id, by)), 202);
  })
  .openapi(operations.skip, async (context) => {
    const { id, vm } = context.req.valid("param");
    return context.json(publicMove(await skipVm(id, vm, author(context.req.valid("json")))), 202);
  })
  .openapi(operations.retry, async (context) => {
    const { id, vm } = context.req.valid("param");
    return context.json(publicMove(await retryVm(id, vm, author(context.req.valid("json")))), 202);
  })
  .openapi(operations.acknowledge, async (context) => {
    const { id, vm } = context.req.valid("param");
    const by = { ...context.req.valid("json"), at: new Date().toISOString() };
    return context.json(publicMove(await acknowledgeMove(id, vm, by)), 202);
  });
