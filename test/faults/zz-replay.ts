import { Bed } from "./bed.ts";
import { Run } from "./run.ts";
import { World } from "./world.ts";
const world = new World();
const bed = await Bed.start(world, "/usr/bin/qemu-system-x86_64");
try {
  for (let i = 0; i < 4; i += 1) {
    const out = await Run.go(bed, JSON.parse(process.argv[2] ?? ""));
    console.log(out.violations, out.migration.status, out.migration.failure, out.transitions);
    console.log(out.log.join("\n"));
  }
} finally { await bed.close(); world.close(); }
