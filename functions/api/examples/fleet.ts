import type * as z from "zod";
import type { Fleet } from "../bodies/fleet.ts";
import { hostExamples } from "./hosts.ts";
import { migrationExamples } from "./migrations.ts";

const { agreement, twinCheck, ...migration } = migrationExamples.holding;

export const fleetExample: z.input<typeof Fleet> = {
  hosts: hostExamples.page.items.map((host) => ({ ...host, vms: 1 })),
  migrations: [migration],
  truncated: false,
};
