/** Where the built dashboard lies, from the root of the repository. */
export const DASHBOARD_FOLDER = "dist/dashboard";

/** Files under this path carry a hash of their content in their name. */
export const HASHED_PATH = "/assets/";
/** Seconds. */
export const HASHED_MAX_AGE = 31_536_000;

/** What a browser may do with the dashboard's files: fetch, run and show nothing of anywhere else. */
export const dashboardHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "object-src 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};
