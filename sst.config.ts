/// <reference path="./.sst/platform/config.d.ts" />

/** The control plane on AWS: docs/operate/deploy.md. SST allows no imports at the top of this file. */
export default $config({
  app(input) {
    const isProduction = input?.stage === "production";
    return {
      name: "switchyard",
      removal: isProduction ? "retain" : "remove",
      protect: isProduction,
      home: "aws",
      providers: { aws: { defaultTags: { tags: { application: "switchyard" } } } },
    };
  },
  async run() {
    const { api } = await import("./infra/api.ts");
    const { stateMachines } = await import("./infra/state-machines.ts");
    const { hosts } = await import("./infra/hosts.ts");
    await import("./infra/schedules.ts");
    await import("./infra/alarms.ts");
    await import("./infra/dashboard.ts");
    const { webUrl } = await import("./infra/web.ts");
    return {
      api: api.url,
      web: webUrl,
      migrationStateMachine: stateMachines.migration.arn,
      evacuationStateMachine: stateMachines.evacuation.arn,
      ...(hosts === undefined ? {} : { hosts }),
    };
  },
});
