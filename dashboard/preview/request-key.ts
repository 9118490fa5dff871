/** Names a request in a recording: method, path with its query, and the body of one that has one. */
export function requestKey(address: string, init: RequestInit = {}): string {
  const { pathname, searchParams } = new URL(address, "http://localhost");
  searchParams.sort();
  const query = searchParams.size === 0 ? "" : `?${searchParams}`;
  const body = typeof init.body === "string" ? ` ${init.body}` : "";
  return `${init.method ?? "GET"} ${pathname}${query}${body}`;
}
