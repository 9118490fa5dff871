import * as z from "zod";

const LABELS_MAX = 64;

export const LabelName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/,
    "expected 1 to 63 characters of A-Z, a-z, 0-9, `.`, `_`, `/` and `-`, beginning with a letter or a digit",
  );
export const LabelValue = z.string().max(253);

/** What people say of a host or a VM, by names that they choose: `{"rack": "7"}`. */
export const Labels = z
  .record(LabelName, LabelValue)
  .refine(
    (labels) => Object.keys(labels).length <= LABELS_MAX,
    `expected at most ${LABELS_MAX} labels`,
  );
export type Labels = z.infer<typeof Labels>;

/** Labels to be set, or removed by `null`; the others stay (RFC 7396, JSON Merge Patch). */
export const LabelChange = z.record(LabelName, LabelValue.nullable());
export type LabelChange = z.infer<typeof LabelChange>;

/** @returns undefined when there would be too many */
export function changeLabels(labels: Labels, change: LabelChange): Labels | undefined {
  const all = Object.entries({ ...labels, ...change });
  const parsed = Labels.safeParse(Object.fromEntries(all.filter(([, value]) => value !== null)));
  return parsed.success ? parsed.data : undefined;
}
