/** A page, by what stands behind `#` in the address: any file server can hold the dashboard. */
export type Route = { readonly page: Page; readonly id?: string };

const pages = {
  "": "overview",
  migrations: "migrations",
  evacuations: "evacuations",
  hosts: "hosts",
  vms: "vms",
  schedules: "schedules",
  failures: "failures",
} as const;

const details = {
  migrations: "migration",
  evacuations: "evacuation",
  hosts: "host",
  vms: "vm",
} as const;

export type Page =
  | (typeof pages)[keyof typeof pages]
  | (typeof details)[keyof typeof details]
  | "missing";

/** @param hash such as `#/vms/web1` */
export function routeOf(hash: string): Route {
  const [first = "", second, ...more] = hash.replace(/^#?\/?/, "").split("/");
  if (more.length > 0 || !Object.hasOwn(pages, first)) return { page: "missing" };
  if (second === undefined || second === "") return { page: pages[first as keyof typeof pages] };
  if (!Object.hasOwn(details, first)) return { page: "missing" };
  const id = decoded(second);
  return id === undefined
    ? { page: "missing" }
    : { page: details[first as keyof typeof details], id };
}

export function hrefTo(list: keyof typeof details, id: string): string {
  return `#/${list}/${encodeURIComponent(id)}`;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
