import type { Dialogue } from "../dialogue.ts";
import { excluding, including, type Json, refused } from "../expectation.ts";
import type { Pair, PairOptions } from "../pair.ts";
import type { Stage } from "../stage.ts";
import { KEY, named, pairWithKeys, psk, USER } from "../tls-pair.ts";

const OTHER_KEY = `${USER}:${"cd".repeat(32)}\n`;
const x509 = { "qom-type": "tls-creds-x509", id: "tls" };

/** The target's status before a connection, and after a failed handshake. */
const waiting = { "7.2": "none", "10.0": "setup" } as const;

/** Expects that the source has failed and its guest runs; returns its error-desc. */
async function fails(stage: Stage, { source }: Pair): Promise<Json> {
  await stage.expect("end", source.until("failed"), "failed");
  await stage.expect("run state", source.runState(), "running");
  return (await source.migration())["error-desc"] ?? null;
}

export const tlsDialogues: Dialogue[] = [
  {
    name: "tls/types",
    claim: "the types of TLS credentials are listed, abstract ones only when asked for",
    async play(stage) {
      const vm = await stage.vm("source");
      const list = (more: Record<string, Json> = {}) =>
        vm.ask("qom-list-types", { implements: "tls-creds", ...more });
      const types = ["x509", "psk", "anon"].map((kind) => ({
        name: `tls-creds-${kind}`,
        parent: "tls-creds",
      }));
      const parent = { name: "tls-creds", parent: "object", abstract: true };
      await stage.expect("types", list(), including(...types));
      await stage.expect("without the abstract one", list(), excluding(parent));
      await stage.expect("with it", list({ abstract: true }), including(...types, parent));
      const own = vm.ask("qom-list-types", { implements: "tls-creds-psk" });
      await stage.expect("one of them", own, [{ name: "tls-creds-psk", parent: "tls-creds" }]);
    },
  },
  {
    name: "tls/psk-object",
    claim: "a key must be there, and a client's must be its user's",
    async play(stage) {
      const vm = await stage.vm("source");
      const empty = await stage.files({});
      const dir = await stage.files({ "keys.psk": KEY });
      const add = (properties: Record<string, Json>) =>
        vm.ask("object-add", { ...psk, ...properties });
      await stage.expect("no folder", add({}), refused("Missing 'dir' property value"));
      const gone = `Unable to access credentials ${empty}/keys.psk: No such file or directory`;
      await stage.expect("no file", add({ dir: empty }), refused(gone));
      const endpoint = refused("Parameter 'endpoint' does not accept value 'both'");
      await stage.expect("endpoint", add({ dir, endpoint: "both" }), endpoint);
      const type = refused("Invalid parameter type for 'dir', expected: string");
      await stage.expect("type", add({ dir: 5 }), type);
      const unknown = refused("Parameter 'nonsense' is unexpected");
      await stage.expect("property", add({ dir, nonsense: 1 }), unknown);
      const preset = refused(`Username qemu not found in PSK file ${dir}/keys.psk`);
      await stage.expect("user by default", add({ dir }), preset);
      const named = refused("username should not be set when endpoint=server");
      await stage.expect("server", add({ dir, endpoint: "server", username: USER }), named);
      await stage.expect("client", add({ dir, username: USER }), "ok");
      const twice = "attempt to add duplicate property 'tls' to object (type 'container')";
      await stage.expect("twice", add({ dir, username: USER }), refused(twice));
      const objects = vm.ask("qom-list", { path: "/objects" });
      const child = { name: "tls", type: "child<tls-creds-psk>" };
      await stage.expect("listed", objects, including(child));
      await stage.expect("delete", vm.ask("object-del", { id: "tls" }), "ok");
      const missing = refused("object 'tls' not found");
      await stage.expect("delete again", vm.ask("object-del", { id: "tls" }), missing);
    },
  },
  {
    name: "tls/x509-object",
    claim: "certificates must be there",
    async play(stage) {
      const vm = await stage.vm("source");
      const add = (properties: Record<string, Json>) =>
        vm.ask("object-add", { ...x509, ...properties });
      await stage.expect("no folder", add({}), refused("Missing 'dir' property value"));
      const dir = await stage.files({});
      const gone = (file: string) =>
        refused(`Unable to access credentials ${dir}/${file}: No such file or directory`);
      await stage.expect("client", add({ dir, endpoint: "client" }), gone("ca-cert.pem"));
      await stage.expect("server", add({ dir, endpoint: "server" }), gone("ca-cert.pem"));
      const refusedUser = refused("Parameter 'username' is unexpected");
      await stage.expect("property", add({ dir, username: "someone" }), refusedUser);
    },
  },
  {
    name: "tls/moves",
    claim: "a guest moves under TLS with a key, over one connection",
    async play(stage) {
      const pair = await pairWithKeys(stage, { source: KEY, target: KEY }, { guest: "filled" });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.untilRunState("running"), "running");
      const gone = pair.target.ask("object-del", { id: "tls" });
      await stage.expect("delete what is named", gone, "ok");
      const parameters = (await pair.target.ask("query-migrate-parameters")) as typeof named;
      await stage.expect("still named", parameters["tls-creds"], "tls");
    },
  },
  {
    name: "tls/moves-over-multifd",
    claim: "a guest moves under TLS with a key, over several",
    async play(stage) {
      const capabilities = ["return-path", "multifd"];
      const options: PairOptions = { guest: "filled", capabilities };
      const pair = await pairWithKeys(stage, { source: KEY, target: KEY }, options);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.untilRunState("running"), "running");
    },
  },
  {
    name: "tls/wrong-key",
    claim: "another key fails in the handshake: the source is told, the target listens on",
    async play(stage) {
      const pair = await pairWithKeys(stage, { source: KEY, target: OTHER_KEY });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("why", await fails(stage, pair), /^TLS handshake failed: /);
      await stage.expect("active", pair.source.story().includes("active"), false);
      await stage.expect("target", pair.target.status(), stage.pick(waiting));
    },
  },
  {
    name: "tls/source-only",
    claim: "a target in clear takes the handshake for a broken stream, and ends",
    async play(stage) {
      const pair = await pairWithKeys(stage, { source: KEY });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("why", await fails(stage, pair), /^TLS handshake failed: /);
      await stage.expect("target", pair.target.exit(), 1);
    },
  },
  {
    name: "tls/target-only",
    claim: "a target with TLS turns a stream in clear away, and listens on",
    async play(stage) {
      const pair = await pairWithKeys(stage, { target: KEY }, { guest: "filled" });
      await stage.expect("migrate", pair.migrate(), "ok");
      const why = await fails(stage, pair);
      // Whether the return path or the stream's end sees it first is chance.
      const reset = stage.pick({
        "7.2": /^Unable to write to socket: Bad file descriptor$/,
        "10.0":
          /^(Unable to read from socket: Connection reset by peer|Channel error: Input\/output error)$/,
      });
      await stage.expect("why", why, reset);
      await stage.expect("target", pair.target.status(), stage.pick(waiting));
    },
  },
  {
    name: "tls/no-object-on-source",
    claim: "a name without an object is found when the migration begins",
    async play(stage) {
      const pair = await stage.pair({ parameters: named });
      await stage.expect("migrate", pair.migrate(), "ok");
      const why = await fails(stage, pair);
      await stage.expect("why", why, "No TLS credentials with id 'tls'");
    },
  },
  {
    name: "tls/no-object-on-target",
    claim: "on the target it is found when the source connects: later versions end, 7.2 listens on",
    async play(stage) {
      const options: PairOptions = { targetParameters: named };
      const pair = await pairWithKeys(stage, { source: KEY }, options);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("why", await fails(stage, pair), /^TLS handshake failed: /);
      if (stage.generation === "7.2") {
        await stage.expect("target", pair.target.status(), "none");
        return;
      }
      await stage.expect("target", pair.target.exit(), 1);
    },
  },
  {
    name: "tls/client-as-server",
    claim: "credentials made for the other endpoint do not serve",
    async play(stage) {
      const pair = await stage.pair({ parameters: named });
      const dir = await stage.files({ "keys.psk": KEY });
      const server = { ...psk, dir, endpoint: "server" };
      await stage.expect("object", pair.source.ask("object-add", server), "ok");
      await stage.expect("migrate", pair.migrate(), "ok");
      const why = await fails(stage, pair);
      await stage.expect("why", why, "Expected TLS credentials for a client endpoint");
    },
  },
];
