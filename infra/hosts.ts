import { api } from "./api.ts";
import { policyOf, trustOf } from "./policy.ts";
import { arnOf, hostAuthority, names } from "./settings.ts";

/** IAM Roles Anywhere takes it from the host's certificate: its common name is the host's id. */
const HOST = "$" + "{aws:PrincipalTag/x509Subject/CN}";
/** An hour: an agent gets new credentials long before. */
const SESSION_SECONDS = 3_600;

/** What a host may do: receive its own commands, and post its events. */
const rights = policyOf([
  {
    actions: ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
    resources: [arnOf("sqs", `${names.hostQueuePrefix}${HOST}`)],
  },
  {
    actions: ["execute-api:Invoke"],
    resources: [$interpolate`${api.nodes.api.executionArn}/$default/POST/agent/v1/*`],
  },
]);

function createHostRole(certificates: string) {
  const anchor = new aws.rolesanywhere.TrustAnchor("HostAuthority", {
    name: `${names.table}-hosts`,
    enabled: true,
    source: {
      sourceType: "CERTIFICATE_BUNDLE",
      sourceData: { x509CertificateData: certificates },
    },
  });
  const role = new aws.iam.Role("HostRole", {
    name: `${names.table}-host`,
    assumeRolePolicy: trustOf(
      "rolesanywhere.amazonaws.com",
      { ArnEquals: { "aws:SourceArn": anchor.arn } },
      ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    ),
    inlinePolicies: [{ name: "rights", policy: rights }],
  });
  const profile = new aws.rolesanywhere.Profile("HostProfile", {
    name: `${names.table}-hosts`,
    enabled: true,
    roleArns: [role.arn],
    durationSeconds: SESSION_SECONDS,
  });
  return { trustAnchor: anchor.arn, role: role.arn, profile: profile.arn };
}

/** ARNs that a host's credential helper is given; undefined without an authority for hosts. */
export const hosts = hostAuthority === undefined ? undefined : createHostRole(hostAuthority);
