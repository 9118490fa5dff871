import { isPresent, type Lifetime, type Version } from "./version.ts";

/** A property of vfio-pci, as device-list-properties shows it. */
export type VfioProperty = {
  readonly name: string;
  readonly type: string;
  readonly "default-value"?: string | boolean;
};

const properties: ReadonlyArray<Lifetime & { readonly property: VfioProperty }> = [
  { property: { name: "host", type: "str" } },
  { property: { name: "sysfsdev", type: "str" } },
  {
    property: { name: "x-enable-migration", type: "bool", "default-value": false },
    removed: "8.0",
  },
  {
    property: { name: "enable-migration", type: "OnOffAuto", "default-value": "auto" },
    since: "8.0",
  },
  {
    property: { name: "x-pre-copy-dirty-page-tracking", type: "OnOffAuto", "default-value": "on" },
  },
  {
    property: { name: "x-device-dirty-page-tracking", type: "OnOffAuto", "default-value": "on" },
    since: "9.1",
  },
  {
    property: { name: "x-migration-multifd-transfer", type: "OnOffAuto", "default-value": "auto" },
    since: "10.0",
  },
  {
    property: {
      name: "x-migration-load-config-after-iter",
      type: "OnOffAuto",
      "default-value": "auto",
    },
    since: "10.1",
  },
  {
    property: { name: "x-migration-max-queued-buffers-size", type: "size" },
    since: "10.1",
  },
  { property: { name: "migration-events", type: "bool", "default-value": false }, since: "9.1" },
  { property: { name: "iommufd", type: "link<iommufd>" }, since: "9.0" },
];

/** The properties that matter for migration, of `version`. */
export function vfioProperties(version: Version): readonly VfioProperty[] {
  return properties.filter((entry) => isPresent(version, entry)).map(({ property }) => property);
}
