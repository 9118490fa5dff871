/** Engines of others. */
export type EngineName = "moto" | "ministack" | "elasticmq";
