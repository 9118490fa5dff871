import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import {
  DASHBOARD_FOLDER,
  dashboardHeaders,
  HASHED_MAX_AGE,
  HASHED_PATH,
} from "../deployment/dashboard.ts";
import { api } from "./api.ts";
import { names } from "./settings.ts";

/** Managed policies of CloudFront (its developer guide, "Use managed cache policies" and the next). */
const CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6";
const CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
const YEAR_SECONDS = 31_536_000;
const READING = ["GET", "HEAD"];
const METHODS = [...READING, "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const bucket = new aws.s3.Bucket("Web", { forceDestroy: true });

new aws.s3.BucketPublicAccessBlock("WebPrivate", {
  bucket: bucket.id,
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
});

const access = new aws.cloudfront.OriginAccessControl("WebAccess", {
  name: `${names.table}-web`,
  originAccessControlOriginType: "s3",
  signingBehavior: "always",
  signingProtocol: "sigv4",
});

const headers = new aws.cloudfront.ResponseHeadersPolicy("WebHeaders", {
  name: `${names.table}-web`,
  securityHeadersConfig: {
    contentSecurityPolicy: {
      contentSecurityPolicy: headerOf("content-security-policy"),
      override: true,
    },
    contentTypeOptions: { override: true },
    referrerPolicy: { referrerPolicy: headerOf("referrer-policy"), override: true },
    strictTransportSecurity: { accessControlMaxAgeSec: YEAR_SECONDS, override: true },
  },
});

const distribution = new aws.cloudfront.Distribution("WebDistribution", {
  comment: `${names.table}: web dashboard`,
  enabled: true,
  isIpv6Enabled: true,
  httpVersion: "http2and3",
  defaultRootObject: "index.html",
  origins: [
    {
      originId: "files",
      domainName: bucket.bucketRegionalDomainName,
      originAccessControlId: access.id,
    },
    {
      originId: "api",
      domainName: api.nodes.api.apiEndpoint.apply((url) => new URL(url).hostname),
      customOriginConfig: {
        httpPort: 80,
        httpsPort: 443,
        originProtocolPolicy: "https-only",
        originSslProtocols: ["TLSv1.2"],
      },
    },
  ],
  defaultCacheBehavior: {
    targetOriginId: "files",
    viewerProtocolPolicy: "redirect-to-https",
    allowedMethods: READING,
    cachedMethods: READING,
    compress: true,
    cachePolicyId: CACHING_OPTIMIZED,
    responseHeadersPolicyId: headers.id,
  },
  // The API checks the token itself: CloudFront passes everything on and keeps nothing.
  orderedCacheBehaviors: [
    {
      pathPattern: "/v1/*",
      targetOriginId: "api",
      viewerProtocolPolicy: "https-only",
      allowedMethods: METHODS,
      cachedMethods: READING,
      compress: true,
      cachePolicyId: CACHING_DISABLED,
      originRequestPolicyId: ALL_VIEWER_EXCEPT_HOST,
    },
  ],
  restrictions: { geoRestriction: { restrictionType: "none" } },
  viewerCertificate: { cloudfrontDefaultCertificate: true },
});

new aws.s3.BucketPolicy("WebPolicy", {
  bucket: bucket.id,
  policy: $jsonStringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "cloudfront.amazonaws.com" },
        Action: ["s3:GetObject"],
        Resource: [$interpolate`${bucket.arn}/*`],
        Condition: { StringEquals: { "aws:SourceArn": distribution.arn } },
      },
    ],
  }),
});

for (const file of build()) {
  new aws.s3.BucketObjectv2(`Web/${file}`, {
    bucket: bucket.id,
    key: file,
    source: new $util.asset.FileAsset(join(resolve($cli.paths.root), DASHBOARD_FOLDER, file)),
    contentType: types[extname(file)] ?? "application/octet-stream",
    cacheControl: `/${file}`.startsWith(HASHED_PATH)
      ? `public, max-age=${HASHED_MAX_AGE}, immutable`
      : "no-store",
  });
}

/** Where people open the dashboard. */
export const webUrl = $interpolate`https://${distribution.domainName}`;

/** Builds the dashboard. @returns its files, by their paths from its folder */
function build(): string[] {
  const root = $cli.paths.root;
  // The builder is no part of this program, which SST bundles.
  execFileSync("npm", ["run", "--silent", "build:dashboard"], { cwd: root, stdio: "pipe" });
  const entries = readdirSync(join(root, DASHBOARD_FOLDER), {
    recursive: true,
    withFileTypes: true,
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name).slice(join(root, DASHBOARD_FOLDER).length + 1),
    )
    .toSorted();
}

function headerOf(name: string): string {
  const value = dashboardHeaders[name];
  if (value === undefined) throw new Error(`Expected the dashboard to have the header ${name}`);
  return value;
}
