import { sizeBytes, switchOf } from "./option-text.ts";

/**
 * QEMU takes JSON with exact types: a number or a switch as text is refused, and so is a number for a
 * text. A `key=value` list does not have types. A value that looks like a switch or a number is one,
 * unless its name is listed here. From `device-list-properties` and `qom-list-properties` of QEMU
 * 10.0.2, and its QAPI schema; a test compares the devices' with the installed QEMU.
 */
const DEVICE_TEXTS = new Set(
  `addr audiodev backend bios-chs-trans bootargs busnr bus cert1 cert2 cert3 chardev db desc device_id
  drive drive-type duplex evdev failover_pair_id fallback fd fdtypeA fdtypeB file filter
  fp_start_macaddr frudatafile fsdev granule guid hba_serial hidraw host host_ip hostdevice hostport
  hv-vendor-id id initrd instanceid iothread jsonfile kernel lost_tick_policy mac masterbus memdev
  model model-id mount_tag name netdev nguid nqn osk pcap pci-type product rerror rng romfile rootdir
  sdrfile serial sysfsdev tag tpmdev tx uuid vdev vendor ver vf-token vhostdev vhostfd werror world
  wwpn cdat cryptodev ruhs x-speed x-width`.split(/\s+/),
);

/** Switches with a third value, `auto`: QEMU's OnOffAuto, which is text in JSON. */
const DEVICE_ON_OFF_AUTO = new Set(
  `account-failed account-invalid backend_defaults disable-legacy display eim enable-migration
  hv-no-nonarch-coresharing intremap msi msix seqpacket unplugged-inaccessible write-cache
  x-device-dirty-page-tracking x-igd-legacy-mode x-migration-multifd-transfer x-msix-relocation
  x-pre-copy-dirty-page-tracking x-ramfb-migrate`.split(/\s+/),
);

const NETDEV_TEXTS = new Set(
  `type id ifname script downscript helper br bridge fd fds vhostfd vhostfds hostname net host
  dhcpstart dns domainname tftp tftp-server-name bootfile smb smbserver ipv6-net ipv6-prefix ipv6-host
  ipv6-dns path localaddr mcast connect listen udp chardev netdev port vhostdev sock src dst srcport
  dstport`.split(/\s+/),
);

const OBJECT_TEXTS = new Set(
  `qom-type id mem-path filename file data path dir endpoint keyid iv netdev chardev indev outdev insert
  position status priority passwordid username identity policy primary_in secondary_in queue cbitpos
  dh-cert-file session-file format fd rom prealloc-context canbus if addr`.split(/\s+/),
);

const BLOCKDEV_TEXTS = new Set(
  `driver node-name filename file backing data-file aio locking discard detect-zeroes host port path pool
  image conf user export type tls-creds tls-hostname snapshot namespace on-corruption overlap-check
  key-secret throttle-group url cookie cookie-secret username password-secret vnet`.split(/\s+/),
);

const SIZES = new Set(
  `size align offset hugetlbsize mem-reserve pref32-reserve pref64-reserve io-reserve min_io_size
  opt_io_size logical_block_size physical_block_size discard_granularity sndbuf max_io_size romsize
  block-size requested-size cluster-size l2-cache-size refcount-cache-size cache-size`.split(/\s+/),
);

export type TypedKind = "device" | "netdev" | "object" | "blockdev";

const textsOf: Readonly<Record<TypedKind, ReadonlySet<string>>> = {
  device: DEVICE_TEXTS,
  netdev: NETDEV_TEXTS,
  object: OBJECT_TEXTS,
  blockdev: BLOCKDEV_TEXTS,
};

/**
 * The value of an option as JSON has it. Undefined for a number that JSON cannot hold exactly.
 *
 * @param driver of a device: a few names have another type there
 */
export function typedValue(
  kind: TypedKind,
  name: string,
  text: string,
  driver = "",
): string | number | boolean | undefined {
  const key = name.slice(name.lastIndexOf(".") + 1);
  if (kind === "device") {
    const special = specialDeviceValue(driver, key, text);
    if (special !== undefined) return special;
    if (DEVICE_ON_OFF_AUTO.has(key)) {
      const isOn = switchOf(text);
      return isOn === undefined ? text : isOn ? "on" : "off";
    }
  }
  if (textsOf[kind].has(key)) return text;
  const isOn = switchOf(text);
  if (isOn !== undefined) return isOn;
  if (SIZES.has(key)) return sizeBytes(text) ?? text;
  if (!/^(0x[0-9a-f]+|-?\d+)$/i.test(text)) return text;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** Devices whose `addr` is an address in memory, and not a place on a bus. */
const WITH_ADDRESS = /dimm$|^(sgx-epc|hv-balloon|loader|guest-loader)$/;

/** Names that are a text or a switch in one device and a number or OnOffAuto in another. */
function specialDeviceValue(driver: string, key: string, text: string) {
  if (key === "port" && isUsb(driver)) return text;
  if (/^chardev\d$/.test(key)) return text;
  if (key === "addr" && WITH_ADDRESS.test(driver)) return Number(text);
  if (key === "subsys" && driver.startsWith("nvme")) return text;
  if (key === "vendor" && /sdhci|usdhc/.test(driver)) return Number(text);
  if (key === "msi" && driver === "hpet") return switchOf(text);
  if (key === "model" && driver.endsWith("-cpu")) return Number(text);
  if (key === "device_id" && driver.startsWith("ipmi")) return Number(text);
  if (key === "master" && driver.startsWith("ivshmem")) {
    return switchOf(text) === true ? "on" : switchOf(text) === false ? "off" : text;
  }
  if (key === "display" && !driver.startsWith("vfio")) return text;
  return undefined;
}

/** Devices on a USB bus, whose `port` is a path such as `1.2`. */
function isUsb(driver: string): boolean {
  return /^(usb-|u2f-|ccid-)/.test(driver);
}
