import { createRequire } from "node:module";
import { dirname } from "node:path";
import { serveStatic } from "@hono/node-server/serve-static";
import { Hono } from "hono";
import { dashboardHeaders } from "../deployment/dashboard.ts";

export const API_PAGE = "/docs";

/** The package's files that the page uses; it has others, with source maps and pages of its own. */
const FILES = new Set(["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"]);

const HTML = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Switchyard: the API</title>
  <link rel="icon" href="${API_PAGE}/favicon-32x32.png">
  <link rel="stylesheet" href="${API_PAGE}/swagger-ui.css">
</head>
<body>
  <div id="page"></div>
  <script src="${API_PAGE}/swagger-ui-bundle.js"></script>
  <script src="${API_PAGE}/start.js"></script>
</body>
</html>
`;

/** The token that a person gives stays in the page: it is asked for again after a reload. */
const START = `SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#page",
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  persistAuthorization: false,
  queryConfigEnabled: false,
});
`;

/** Icons are in the style sheet itself. */
const policy = `${dashboardHeaders["content-security-policy"]}; img-src 'self' data:`;

/** The page of the API's operations: Swagger UI from its package; nothing of it is elsewhere. */
export function createApiPage(): Hono {
  const root = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(dashboardHeaders)) context.header(name, value);
    context.header("content-security-policy", policy);
  });
  app.get(API_PAGE, (context) => context.html(HTML));
  app.get(`${API_PAGE}/start.js`, (context) => {
    context.header("content-type", "text/javascript; charset=utf-8");
    return context.body(START);
  });
  const files = serveStatic({ root, rewriteRequestPath: (path) => path.slice(API_PAGE.length) });
  app.get(`${API_PAGE}/:file`, async (context, next) => {
    if (!FILES.has(context.req.param("file"))) return context.notFound();
    return files(context, next);
  });
  return app;
}

export function isForApiPage({ method, url }: Request): boolean {
  const { pathname } = new URL(url);
  const isRead = method === "GET" || method === "HEAD";
  return isRead && (pathname === API_PAGE || pathname.startsWith(`${API_PAGE}/`));
}
