import * as z from "zod";
import { ByWhom, HostCordon } from "../../../core/host/cordon.ts";
import { HostId, MigrationId, VmId } from "../../../core/id.ts";
import { Labels } from "../../../core/labels.ts";
import { Host } from "../../../core/protocol/host.ts";
import {
  JOIN_TOKEN_SECONDS_DEFAULT,
  JOIN_TOKEN_SECONDS_MAX,
  JoinToken,
} from "../../../core/protocol/identity.ts";
import { page } from "./page.ts";

export const NewHost = z.strictObject({
  id: HostId,
  slotsOut: Host.shape.slotsOut.default(2),
  slotsIn: Host.shape.slotsIn.default(2),
  prepareAhead: Host.shape.prepareAhead,
  labels: Labels.default({}),
});

/** Whoever has the token may name anybody: it is for people to read. */
export const HostRequest = z.strictObject({
  ...ByWhom.shape,
  owner: ByWhom.shape.owner.default("operator"),
});

/** What lets one agent join as the host, once. No other answer has it. */
export const IssuedJoinToken = z.strictObject({ token: JoinToken, expiresAt: z.iso.datetime() });

export const CreatedHost = z.strictObject({ host: Host, joinToken: IssuedJoinToken });

export const JoinTokenRequest = z.strictObject({
  /** For how long it may be used, seconds. */
  seconds: z.int().min(60).max(JOIN_TOKEN_SECONDS_MAX).default(JOIN_TOKEN_SECONDS_DEFAULT),
});

/** What became of the guests of a host that is down, and of those that were on their way to it. */
export const ConfirmedDown = z.strictObject({
  host: Host,
  /** VMs that no migration held: their guests have failed. */
  failed: z.array(VmId),
  /** Migrations from or to the host, which decide by it: see their records. */
  reconciling: z.array(z.strictObject({ vm: VmId, migration: MigrationId })),
});

export const UncordonedHost = z.strictObject({ host: Host, cleared: z.array(HostCordon) });

export const HostPage = page(Host);
