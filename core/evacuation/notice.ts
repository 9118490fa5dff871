import * as z from "zod";
import { Message, Owner } from "../host/cordon.ts";
import { Labels } from "../labels.ts";
import { TenantName } from "../vm-rules.ts";

const NOTICE_MS_MAX = 30 * 86_400_000;
const TENANTS_MAX = 100;
const instant = z.iso.datetime();

/** What becomes of a VM whose owner has not acknowledged in time: it moves, or is held back. */
const AfterDeadline = z.enum(["move", "hold"]);

/** Owners of which VMs are told before these move, and how long they have to acknowledge. */
export const NoticeRule = z.strictObject({
  /** From the moment at which an owner is told, ms. */
  deadlineMs: z.int().min(1_000).max(NOTICE_MS_MAX),
  otherwise: AfterDeadline.default("move"),
  /** So much later than the deadline an owner may have the move begin, ms. */
  postponeMs: z.int().min(0).max(NOTICE_MS_MAX).default(0),
  /** Only VMs with all of these labels. */
  labels: Labels.default({}),
  /** Only VMs of these tenants; none: of all tenants, and those without one. */
  tenants: z.array(TenantName).max(TENANTS_MAX).default([]),
  /** Why the VMs are moved, for their owners. */
  message: Message.optional(),
});
export type NoticeRule = z.infer<typeof NoticeRule>;

/** An owner agrees that the VM moves. */
export const Acknowledgement = z.strictObject({
  by: Owner,
  at: instant,
  message: Message.optional(),
  /** The move does not begin before. */
  notBefore: instant.optional(),
});
export type Acknowledgement = z.infer<typeof Acknowledgement>;

/** What the owner of one VM was told. */
export const Notice = z.strictObject({
  givenAt: instant,
  /** Until then it waits for an acknowledgement. */
  deadlineAt: instant,
  /** The latest `notBefore` that is accepted. */
  latestAt: instant,
  otherwise: AfterDeadline,
  acknowledged: Acknowledgement.optional(),
  /** Since when it waits for its owner no more. */
  endedAt: instant.optional(),
  /** Nobody had acknowledged in time, and it was held back. */
  held: z.literal(true).optional(),
});
export type Notice = z.infer<typeof Notice>;
