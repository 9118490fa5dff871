import * as z from "zod";
import { figure } from "./integer.ts";

/** A property of an object (`qom-list`) or of a device type (`device-list-properties`). */
export const ObjectProperty = z.looseObject({
  name: z.string(),
  type: z.string(),
  description: z.string().optional(),
  "default-value": z.unknown().optional(),
});
export type ObjectProperty = z.infer<typeof ObjectProperty>;

export const ObjectType = z.looseObject({
  name: z.string(),
  abstract: z.boolean().optional(),
  parent: z.string().optional(),
});
export type ObjectType = z.infer<typeof ObjectType>;

export const TraceEvent = z.looseObject({ name: z.string(), state: z.string() });
export type TraceEvent = z.infer<typeof TraceEvent>;

export const BlockDevice = z.looseObject({
  device: z.string(),
  qdev: z.string().optional(),
  removable: z.boolean().optional(),
  tray_open: z.boolean().optional(),
  inserted: z.looseObject({ "node-name": z.string().optional() }).optional(),
});
export type BlockDevice = z.infer<typeof BlockDevice>;

export const DirtyBitmap = z.looseObject({
  name: z.string().optional(),
  count: figure,
  granularity: figure,
  recording: z.boolean(),
  busy: z.boolean(),
  persistent: z.boolean(),
});

export const BlockNode = z.looseObject({
  "node-name": z.string().optional(),
  drv: z.string(),
  file: z.string(),
  ro: z.boolean(),
  image: z.looseObject({ "virtual-size": figure, "cluster-size": figure.optional() }).optional(),
  encrypted: z.boolean().optional(),
  cache: z.looseObject({ direct: z.boolean(), "no-flush": z.boolean() }).optional(),
  /** From 10.1 on. */
  children: z.array(z.looseObject({ child: z.string(), "node-name": z.string() })).optional(),
  "dirty-bitmaps": z.array(DirtyBitmap).optional(),
});
export type BlockNode = z.infer<typeof BlockNode>;

/** Nodes and what uses them; an edge leads from a node to one of its children, both by id. */
export const BlockGraph = z.looseObject({
  nodes: z.array(z.looseObject({ id: z.number(), name: z.string(), type: z.string() })),
  edges: z.array(z.looseObject({ name: z.string(), parent: z.number(), child: z.number() })),
});
export type BlockGraph = z.infer<typeof BlockGraph>;

export const Chardev = z.looseObject({
  label: z.string(),
  filename: z.string(),
  "frontend-open": z.boolean(),
});
export type Chardev = z.infer<typeof Chardev>;

export const Job = z.looseObject({
  id: z.string(),
  type: z.string(),
  status: z.string(),
  "current-progress": figure,
  "total-progress": figure,
  error: z.string().optional(),
});
export type Job = z.infer<typeof Job>;

/** A job of `query-block-jobs`. */
export const BlockJob = z.looseObject({
  /** The job's id. */
  device: z.string(),
  /** What there is to do so far, which grows with the guest's writes, and what of it is done. */
  len: figure,
  offset: figure,
  ready: z.boolean(),
});
export type BlockJob = z.infer<typeof BlockJob>;

/** A connection that `yank` can shut down: the migration's, a block node's or a chardev's. */
export const YankInstance = z.looseObject({
  type: z.string(),
  id: z.string().optional(),
  "node-name": z.string().optional(),
});
export type YankInstance =
  | { readonly type: "migration" }
  | { readonly type: "block-node"; readonly "node-name": string }
  | { readonly type: "chardev"; readonly id: string };

/** A backend, device or block node to create: its type and its properties. */
export type DeviceOptions = {
  readonly driver: string;
  readonly id?: string;
  readonly bus?: string;
  readonly [property: string]: unknown;
};
export type BlockdevOptions = {
  readonly driver: string;
  readonly "node-name": string;
  readonly [property: string]: unknown;
};
export type ObjectOptions = {
  readonly "qom-type": string;
  readonly id: string;
  readonly [property: string]: unknown;
};
