import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listenOf, type Options } from "../../local/options.ts";
import { readTlsFiles } from "../../local/tls-files.ts";
import { type Certificates, makeCertificates } from "../../rig/certificates.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";

const ADDRESS = "192.0.2.1";
const DECADE_MS = 10 * 366 * 86_400_000;

let folder: string;
let own: Certificates;
let other: Certificates;

beforeAll(() => {
  folder = ownedFolder("sy-options-");
  own = certificates("own", `IP:${ADDRESS},DNS:cp.example.net`);
  other = certificates("other", "DNS:other.example.net");
});
afterAll(() => removeFolder(folder));

function certificates(name: string, names: string): Certificates {
  mkdirSync(join(folder, name));
  return makeCertificates(join(folder, name), names);
}

function listen(given: Partial<Options>) {
  const options: Options = {
    port: 0,
    name: "switchyard",
    webhookReceivers: "public",
    flush: true,
    dataDir: "data",
    listen: ADDRESS,
    listenPort: 8443,
    ...given,
  };
  return () => listenOf(options);
}

const tls = () => ({ tlsCert: own.cert, tlsKey: own.key });

describe("listening for other machines", () => {
  it("off loopback takes a certificate for the address, or for the public URL's name", () => {
    expect(listen(tls())()).toMatchObject({ address: ADDRESS, tls: { cert: expect.any(String) } });
    const publicUrl = "https://cp.example.net:8443";
    expect(listen({ ...tls(), listen: "0.0.0.0", publicUrl })()).toMatchObject({ publicUrl });
  });

  it("on loopback goes without TLS", () => {
    expect(listen({ listen: "127.0.0.1" })()).toMatchObject({ address: "127.0.0.1" });
  });

  it.each<[string, () => Partial<Options>, RegExp]>([
    [
      "off loopback without a certificate",
      () => ({}),
      /192\.0\.2\.1 needs --tls-cert and --tls-key/,
    ],
    ["without a key", () => ({ tlsCert: own.cert }), /needs --tls-cert and --tls-key/],
    ["without a data folder", () => without({ dataDir: undefined }), /needs --data-dir/],
    ["everywhere, under no name", () => ({ ...tls(), listen: "0.0.0.0" }), /needs --public-url/],
    ["with a public URL of http", () => ({ ...tls(), publicUrl: "http://a:1" }), /an https URL/],
    [
      "with a certificate for another name",
      () => of(other),
      /is for DNS:other.*not for 192\.0\.2\.1/,
    ],
    ["with another one's key", () => ({ ...tls(), tlsKey: other.key }), /is not the key of/],
    [
      "with a file that is not there",
      () => ({ ...tls(), tlsKey: "nowhere" }),
      /read nowhere: ENOENT/,
    ],
    [
      "with a key for a certificate",
      () => ({ ...tls(), tlsCert: own.key }),
      /Expected a certificate/,
    ],
    ["with a certificate and no address", () => without({ listen: undefined }), /need --listen/],
  ])("%s is refused", (_, options, message) => {
    expect(listen(options())).toThrow(message);
  });

  it("with a key that everybody may read is refused", () => {
    const keyFile = join(folder, "open-key.pem");
    writeFileSync(keyFile, "");
    chmodSync(keyFile, 0o644);
    const files = { certFile: own.cert, keyFile };
    expect(() => readTlsFiles(files, ADDRESS)).toThrow(`chmod 640 ${keyFile}`);
  });

  it("with a certificate that has expired is refused", () => {
    const files = { certFile: own.cert, keyFile: own.key };
    const read = () => readTlsFiles(files, ADDRESS, Date.now() + DECADE_MS);
    expect(read).toThrow(/is valid from .* renew it/);
  });
});

const of = ({ cert, key }: Certificates) => ({ tlsCert: cert, tlsKey: key });

/** With TLS, and without an option that is otherwise given. */
function without(options: Record<string, undefined>): Partial<Options> {
  return { ...tls(), ...options } as Partial<Options>;
}
