/** A page whose commands another test runs, and how many it has: a new one needs a look there. */
type Elsewhere = { readonly test: string; readonly commands: number };

export const runElsewhere: Readonly<Record<string, Elsewhere>> = {
  "bring-in.md": { test: "test/discovery/bring-in.test.ts", commands: 22 },
  "cli.md": { test: "test/cli/page.slow.test.ts", commands: 19 },
  "copy-disks.md": { test: "test/copy/page.test.ts", commands: 7 },
  "events.md": { test: "test/cli/webhooks.slow.test.ts", commands: 4 },
  "install.md": { test: "test/packages/steps.ts", commands: 11 },
  "schedules.md": { test: "test/cli/schedules.slow.test.ts", commands: 16 },
  "several-hosts.md": { test: "test/several-hosts/page.slow.test.ts", commands: 26 },
  "upgrade.md": { test: "test/packages/steps.ts", commands: 2 },
  "webhooks.md": { test: "test/cli/webhooks.slow.test.ts", commands: 11 },
};

/** Commands of pages that no test runs, by their beginnings, and why. */
export const notRun: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "deploy.md": {
    "npm ci && npm ci --prefix infra": "`npm run test:infra` installs the same, 450 MB, for itself",
    "infra/node_modules/.bin/sst secret set": "needs an AWS account",
    "infra/node_modules/.bin/sst deploy": "needs an AWS account",
  },
  "vfio.md": {
    "npm run test:vfio -- --only": "is a test of its own: minutes, and a nested hypervisor",
    "npm run test:vfio -- --help": "lists the scenarios of that test",
  },
};

/** What a command of a page must write, and its exit code (0). */
export type Expected = { readonly shows: RegExp; readonly exit?: number };

/** Commands that tests of this folder run, by their beginnings: each has what the page promises. */
export const expected: Readonly<Record<string, Readonly<Record<string, Expected>>>> = {
  "evacuation.md": {
    'curl -s $API/v1/evacuations -H "authorization': { shows: /"version":1,.*"lowerBoundMs":\d/ },
    "curl -s $API/v1/evacuations/$ID/approve": { shows: /"status":"(approved|running)"/ },
    "switchyard evacuation plan host-a --notice 24h": { shows: /^Plan evac_\S+ {2}version 1/ },
    "switchyard evacuation approve $ID --version 1": { shows: /^evac_/ },
    'switchyard evacuation acknowledge $ID web1 --by shop --not-before "$INSTANT"': {
      shows: /^state +noticed$/m,
    },
    "switchyard evacuation acknowledge $ID web1 --by shop": { shows: /^vm +web1$/m },
  },
  "hosts.md": {
    "switchyard host cordon host-b": { shows: /^state +cordoned[\s\S]*ops \("disk swap"\)/m },
    "switchyard host show host-b": { shows: /^cordons +ops \("disk swap"\)$/m },
    "switchyard host uncordon host-b": { shows: /^state +active$/m },
    "switchyard host maintenance host-b": { shows: /^state +maintenance$/m },
    "switchyard host return host-b": { shows: /^state +active$/m },
    "switchyard host label host-b": { shows: /^labels +rack=7$/m },
    "switchyard host limits host-b": { shows: /^slots in +0 of 4 in use$/m },
  },
  "vm-rules.md": {
    "switchyard vm rules web1": {
      shows: /^tenant +shop\ngroups +apart: web\nneeds a host +rack=7$/m,
    },
    "switchyard vm label web1": { shows: /app=shop/ },
    "switchyard tenant limit shop 2": { shows: /shop/ },
    "switchyard tenant list": { shows: /^shop +2/m },
  },
  "unknown.md": {
    'curl -s $API/v1/vms/web-1 -H "authorization': { shows: /"lockedBy":"mig_/ },
    'curl -s $API/v1/migrations/$ID -H "authorization': { shows: /"vm":"web-1"/ },
    "curl -s $API/v1/migrations/$ID/timeline": { shows: /migration\.started/ },
    "curl -s -X POST $API/v1/vms/web-1/reconcile": { shows: /"nothing-to-reconcile"|"id":"mig_/ },
    "curl -s -X POST $API/v1/hosts/host-a/confirm-down": {
      shows: /"reconciling":\[\{"vm":"web-1"/,
    },
  },
  "devices.md": {
    "switchyard vm insert web cd0": { shows: /^vm +web$/m },
    "switchyard vm eject web cd0 --force": { shows: /^vm +web$/m },
    "switchyard vm plug web --parts": { shows: /^vm +web$/m },
    // The guest of the test has no operating system that would release a device.
    "switchyard vm unplug web nic1": { shows: /host-refused/, exit: 3 },
  },
  "states.md": {
    'curl -s $API/v1/migrations -H "authorization': { shows: /"status":"running"/ },
  },
  "deploy.md": {
    "export SWITCHYARD_JWT_ISSUER": { shows: /^$/ },
    "openssl genpkey -algorithm ed25519": { shows: /^$/ },
    "openssl pkey -inform DER -in next.der -pubout": { shows: /^[\w-]{43}$/m },
    // The page's figures, of one migration and of 1,000 hosts in a month.
    "npm run cost": { shows: /600 s: 0\.00082\d USD[\s\S]*1000 hosts [^\n]*: 31\d\.\d\d USD/ },
  },
};
