import type { hc, InferRequestType } from "hono/client";
import type { Routes } from "../../functions/api/app.ts";

/** The routes under `/v1`. */
export type Api = ReturnType<typeof hc<Routes>>["v1"];

/** Where a page of a list begins, and how long it is. */
export type Page = InferRequestType<Api["hosts"]["$get"]>["query"];

/** Who does something, and why. */
export type Acting = InferRequestType<Api["evacuations"][":id"]["pause"]["$post"]>["json"];

export async function json<T>(answer: Promise<{ json(): Promise<T> }>): Promise<T> {
  return (await answer).json();
}
