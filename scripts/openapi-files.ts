import { openApiDocument } from "../functions/api/app.ts";
import { type ApiDocument, writeReference } from "./api-reference.ts";

/** The files that are written from the code of the API, by their paths. */
export function openApiFiles(): Record<string, string> {
  const text = JSON.stringify(openApiDocument(), null, 2);
  return {
    "docs/reference/openapi.json": `${text}\n`,
    "docs/reference/api.md": writeReference(JSON.parse(text) as ApiDocument),
  };
}
