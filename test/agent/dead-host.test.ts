import { connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { Pair, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

/** A TCP relay to a port of loopback. */
async function relay(port: number) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on("error", () => undefined);
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
  /** Carries nothing from here on, and closes nothing. */
  const freeze = () => {
    for (const socket of sockets) {
      socket.unpipe();
      socket.pause();
    }
  };
  return { port: bound.port, freeze };
}

describeOnQemu("a target's host that loses its power in the switchover", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  it.skipIf(subject.isModel)(
    "the source gives it up after 10 s, and the guest runs on there",
    async () => {
      const options = { on: ["pause-before-switchover"] };
      const prepared = await pair.prepare(undefined, undefined, options);
      const link = await relay(prepared.handover.port);
      const handover = { ...prepared.handover, port: link.port };
      const { monitor } = pair.source.guests.get(pair.source.vm(VM));
      monitor.on("STOP", () => {
        process.kill(prepared.pid, "SIGSTOP");
        link.freeze();
      });
      await pair.start({ ...options, prepared: { ...prepared, handover } });
      const stopped = await pair.source.waitFor("migration.stopped");
      const failed = await pair.source.waitFor("migration.failed");
      expect(failed.body).toMatchObject({ code: "target-host-silent" });
      console.log(`dead host: given up ${failed.atMs - stopped.atMs} ms after STOP`);
      await pair.hasRun(pair.source);
    },
  );
});
