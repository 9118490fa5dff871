import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operationOf, scopeOf, scopes } from "../../functions/api/access.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { declaredOperations } from "../functions/testing/declared.ts";
import { facts, hostId, smallDefinition } from "../functions/testing/fixtures.ts";
import { join, TestAgent } from "../functions/testing/fleet.ts";
import { HostKey } from "../functions/testing/host-key.ts";
import { askAs, withScope } from "../functions/testing/person.ts";

/** People whose tokens API Gateway's JWT authorizer has checked. */
let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
  delete process.env.OPERATOR_TOKEN_SHA256;
  for (const id of ["host-a", "host-b", "host-c", "host-d"]) await addHost(id);
});
afterAll(() => cloud.close());

const send = (method: string, path: string, claims: object | undefined, body?: object) =>
  askAs(claims, method, path, body);
const as = withScope;

async function addHost(id: string): Promise<void> {
  const { body } = await send("POST", "/v1/hosts", as("admin"), { id });
  const { host, joinToken } = body as { host: { queueUrl: string }; joinToken: { token: string } };
  const agent = new TestAgent(hostId(id), new HostKey(), host.queueUrl);
  await join(agent, { joinToken: joinToken.token });
  await agent.send("register", { host: id, facts });
}

const concrete = (path: string) =>
  path.replace("{version}", "1").replace("{vm}", "vm-1").replace(/{\w+}/, idFor(path));

function idFor(path: string): string {
  if (path.includes("/migrations/")) return "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX";
  if (path.includes("/evacuations/")) return "evac_01J9Z3ABCDEFGHJKMNPQRSTVWX";
  return "nobody";
}

describe("the table of scopes", () => {
  it("has each operation of the API, and no other", () => {
    const declared = declaredOperations().map(
      ({ method, path }) => `${method.toUpperCase()} ${path}`,
    );
    expect(Object.keys(scopeOf).sort()).toEqual(declared.sort());
  });

  it("is found by the path of a request", () => {
    for (const operation of Object.keys(scopeOf)) {
      const [method = "", path = ""] = operation.split(" ");
      expect(operationOf({ method, path: concrete(path) })?.operation).toBe(operation);
    }
  });
});

describe("a caller with one scope", () => {
  it.each(scopes)("cannot call what needs more than %s, and can call the rest", async (scope) => {
    for (const [operation, needed] of Object.entries(scopeOf)) {
      const [method = "", path = ""] = operation.split(" ");
      // Open to all, and an answer that is no JSON.
      if (/health|openapi|metrics/.test(path)) continue;
      const { status, body } = await send(method, concrete(path), as(scope));
      if (scopes.indexOf(scope) >= scopes.indexOf(needed)) {
        expect([operation, status === 401 || body.code === "scope-missing"]).toEqual([
          operation,
          false,
        ]);
        continue;
      }
      expect([operation, status, body.code]).toEqual([operation, 403, "scope-missing"]);
      expect(body).toMatchObject({ scope: `switchyard/${needed}` });
      expect(body.detail).toContain(`switchyard/${needed}`);
    }
  });

  it.each([
    ["no scope", { sub: "a" }],
    ["another API's scope", { sub: "a", scope: "other/admin admin switchyard/administrator" }],
    ["a scope of another form", { sub: "a", scope: "SWITCHYARD/READ" }],
  ])("cannot read with %s", async (_, claims) => {
    expect(await send("GET", "/v1/fleet", claims)).toMatchObject({ status: 403 });
  });

  it("is known by `scp`, too, as a list or as text", async () => {
    for (const scp of [["switchyard/read"], "[switchyard/read openid]"]) {
      expect(await send("GET", "/v1/fleet", { sub: "a", scp })).toMatchObject({ status: 200 });
    }
  });
});

describe("an API user with migrate only", () => {
  it("cannot empty hosts, define VMs, let hosts join, or read the audit", async () => {
    const before = await cloud.scan();
    const definition = smallDefinition;
    const tries: [string, string, object?][] = [
      ["POST", "/v1/evacuations", { hosts: ["host-a"] }],
      ["POST", "/v1/hosts/host-a/maintenance", {}],
      ["POST", "/v1/vms", { id: "vm-x", host: "host-a", definition }],
      ["POST", "/v1/hosts", { id: "host-x" }],
      ["POST", "/v1/hosts/host-a/join-token", {}],
      ["POST", "/v1/hosts/host-a/revoke-key"],
      ["POST", "/v1/hosts/host-a/retire", {}],
      ["GET", "/v1/audit"],
    ];
    for (const [method, path, body] of tries) {
      expect(await send(method, path, as("migrate"), body)).toMatchObject({ status: 403 });
    }
    const after = await cloud.scan();
    expect(after).toEqual(before);
  });
});

describe("an evacuation", () => {
  const hosts = ["host-a", "host-b"];

  it("of more than a quarter of the hosts cannot be asked for without admin", async () => {
    const refused = await send("POST", "/v1/evacuations", as("evacuate"), { hosts });
    expect(refused).toMatchObject({ status: 403, body: { code: "blast-radius", hostsMax: 1 } });
    const one = await send("POST", "/v1/evacuations", as("evacuate"), { hosts: ["host-a"] });
    expect(one).toMatchObject({ status: 201 });
  });

  it("of more than a quarter of the hosts cannot be approved without admin", async () => {
    const { status, body } = await send("POST", "/v1/evacuations", as("admin"), { hosts });
    expect(status).toBe(201);
    const path = `/v1/evacuations/${body.id}/approve`;
    const refused = await send("POST", path, as("evacuate"), { version: 1 });
    expect(refused).toMatchObject({ status: 403, body: { code: "blast-radius" } });
  });

  it("counts hosts that are in maintenance already", async () => {
    await send("POST", "/v1/hosts/host-d/maintenance", as("evacuate"), {});
    const request = { hosts: ["host-a"] };
    expect(await send("POST", "/v1/evacuations", as("evacuate"), request)).toMatchObject({
      status: 403,
      body: { code: "blast-radius", hosts: ["host-d", "host-a"] },
    });
    await send("POST", "/v1/hosts/host-d/return", as("evacuate"));
  });
});

describe("the audit", () => {
  const entriesOf = async (who: string) => {
    const { body } = await send("GET", "/v1/audit?limit=100", as("admin"));
    const { items } = body as { items: { who: string; operation: string }[] };
    return items.filter((entry) => entry.who === who);
  };

  it("has who changed what, also what was refused, newest first", async () => {
    await send("POST", "/v1/hosts/host-c/cordon", as("evacuate", "alice"), {});
    await send("POST", "/v1/hosts/host-c/retire", as("evacuate", "alice"), {});
    await send("GET", "/v1/hosts", as("evacuate", "alice"));
    expect(await entriesOf("alice")).toEqual([
      {
        at: expect.any(String),
        who: "alice",
        operation: "POST /v1/hosts/{id}/retire",
        path: "/v1/hosts/host-c/retire",
        status: 403,
        code: "scope-missing",
      },
      {
        at: expect.any(String),
        who: "alice",
        operation: "POST /v1/hosts/{id}/cordon",
        path: "/v1/hosts/host-c/cordon",
        status: 200,
      },
    ]);
  });

  it("cannot be filled by somebody who is not known, nor written in another's name", async () => {
    const before = await cloud.scanAudit();
    expect(await send("POST", "/v1/hosts", undefined, { id: "x" })).toMatchObject({ status: 401 });
    expect(await cloud.scanAudit()).toEqual(before);
    await send("POST", "/v1/hosts/host-c/cordon", as("evacuate", "mallory"), { owner: "bob" });
    expect([(await entriesOf("bob")).length, (await entriesOf("mallory")).length]).toEqual([0, 1]);
  });

  it("is kept for a stated time", async () => {
    const rows = await cloud.scanAudit();
    const days = rows.map(({ ttl }) => Math.round((Number(ttl) - Date.now() / 1_000) / 86_400));
    expect(new Set(days)).toEqual(new Set([400]));
  });

  it("is read page by page, each entry once", async () => {
    for (let n = 0; n < 12; n += 1) {
      await send("POST", "/v1/hosts/host-c/uncordon", as("evacuate", "carol"), {});
    }
    const all: string[] = [];
    for (let after = ""; ; ) {
      const { body } = await send("GET", `/v1/audit?limit=5${after}`, as("admin"));
      const { items, next } = body as { items: { at: string; who: string }[]; next?: string };
      all.push(...items.map(({ at, who }) => `${at} ${who}`));
      if (next === undefined) break;
      after = `&after=${encodeURIComponent(next)}`;
    }
    expect(all.filter((entry) => entry.endsWith("carol"))).toHaveLength(12);
    expect(all).toEqual(all.toSorted().reverse());
    expect(await send("GET", "/v1/audit?day=2020-01-01", as("admin"))).toMatchObject({
      body: { items: [] },
    });
  });
});
