import { apiVerb } from "./nouns/api.ts";
import { auditVerb } from "./nouns/audit.ts";
import { changeFreezeNoun } from "./nouns/change-freeze.ts";
import { completionVerbs } from "./nouns/completion.ts";
import { demo } from "./nouns/demo.ts";
import { docsVerb } from "./nouns/docs.ts";
import { evacuationNoun } from "./nouns/evacuation.ts";
import { eventsVerb } from "./nouns/events.ts";
import { everyday } from "./nouns/everyday.ts";
import { hostNoun } from "./nouns/host.ts";
import { metricsVerb } from "./nouns/metrics.ts";
import { migrationNoun } from "./nouns/migration.ts";
import { policyNoun } from "./nouns/policy.ts";
import { loginNoun, profileNoun } from "./nouns/profile.ts";
import { scheduleNoun } from "./nouns/schedule.ts";
import { tenantNoun } from "./nouns/tenant.ts";
import { versionVerb } from "./nouns/version.ts";
import { vmNoun } from "./nouns/vm.ts";
import { webhookNoun } from "./nouns/webhook.ts";
import type { Noun } from "./verb.ts";

/** Every command. A new noun is a file in nouns/ and a line here. */
export const nouns: readonly Noun[] = [
  everyday,
  hostNoun,
  vmNoun,
  tenantNoun,
  migrationNoun,
  policyNoun,
  evacuationNoun,
  scheduleNoun,
  changeFreezeNoun,
  webhookNoun,
  loginNoun,
  profileNoun,
  {
    summary: "The command line itself",
    verbs: [
      apiVerb,
      eventsVerb,
      auditVerb,
      metricsVerb,
      versionVerb,
      docsVerb(() => nouns),
      ...completionVerbs(() => nouns),
      demo,
    ],
  },
];

/** Operations of the API that have no verb of their own: `switchyard api` reaches them. */
export const operationsWithoutVerb: Readonly<Record<string, string>> = {
  getOpenApiDocument: "for programs: switchyard api GET /v1/openapi.json",
};
