import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Files in a folder: an authority, and a certificate that it has signed. */
export type Certificates = { ca: string; cert: string; key: string };

/** @param names that the certificate is for, such as `IP:127.0.0.1` */
export function makeCertificates(folder: string, names: string): Certificates {
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-subj", "/CN=CA", "-keyout", "ca-key.pem", "-out", "ca.pem");
  openssl("req", ...key, "-subj", "/CN=cp", "-keyout", "key.pem", "-out", "request.pem");
  writeFileSync(file("names"), `subjectAltName=${names}`);
  const signing = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"];
  const signed = ["-days", "2", "-extfile", "names", "-out", "cert.pem"];
  openssl("x509", "-req", "-in", "request.pem", ...signing, ...signed);
  return { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
}
