import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, inject, it } from "vitest";
import { inputsOf } from "./evaluation.ts";
import { findFindings, installParliament } from "./parliament.ts";
import { rolesOf } from "./policies.ts";

const folder = mkdtempSync(join(tmpdir(), "sy-policies-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const withHosts = inject("trial");

const missing = installParliament();
if (missing !== undefined) console.warn(`Policies are not linted: ${missing}`);

describe.skipIf(missing !== undefined)("parliament, which is not ours,", () => {
  const lint = (policies: Record<string, string>) => findFindings(policies, join(folder, "lint"));

  it("finds nothing in any role's rights", () => {
    const roles = [...rolesOf(inject("production"), "production"), ...rolesOf(withHosts, "trial")];
    const policies = roles.map(({ name, texts }, place) => [`${place}-${name}`, texts.rights]);
    expect(policies.length).toBeGreaterThan(20);
    expect(lint(Object.fromEntries(policies))).toEqual([]);
  });

  it("finds an action that does not exist, and a resource of another service", () => {
    const policy = (action: string) =>
      JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Action: action, Resource: "arn:aws:sqs:eu-central-1:123456789012:q" },
        ],
      });
    expect(lint({ wrong: policy("sqs:SendMesage") })).toHaveLength(1);
    expect(lint({ wrong: policy("dynamodb:GetItem") })).toHaveLength(1);
  });
});

describe("hosts, with an authority for their certificates,", () => {
  it("may receive from their own queue and post events, and nothing else", () => {
    const host = rolesOf(withHosts, "trial").find(({ name }) => name === "host");
    expect(host?.rights).toEqual([
      {
        Effect: "Allow",
        Action: ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
        Resource: [
          "arn:aws:sqs:eu-central-1:123456789012:sy-trial-$" + "{aws:PrincipalTag/x509Subject/CN}",
        ],
      },
      {
        Effect: "Allow",
        Action: ["execute-api:Invoke"],
        Resource: ["arn:aws:execute-api:eu-central-1:123456789012:api-id/$default/POST/agent/v1/*"],
      },
    ]);
  });

  it("prove themselves to IAM Roles Anywhere by that authority alone", () => {
    const host = rolesOf(withHosts, "trial").find(({ name }) => name === "host");
    expect(host?.trust).toMatchObject([
      {
        Principal: { Service: ["rolesanywhere.amazonaws.com"] },
        Condition: { ArnEquals: { "aws:SourceArn": [expect.stringContaining("trust-anchor/")] } },
      },
    ]);
    expect(inputsOf(withHosts, "aws:rolesanywhere/trustAnchor:TrustAnchor")).toMatchObject({
      enabled: true,
      source: { sourceData: { x509CertificateData: expect.stringContaining("MIIB") } },
    });
  });
});
