import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findConnection } from "./connection.ts";
import { configFolder, ProfileFiles } from "./files.ts";

const url = "https://switchyard.example";
let folder: string;
let files: ProfileFiles;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sy-profile-"));
  files = new ProfileFiles(folder);
  files.writeProfiles({ current: "prod", profiles: { prod: { url } } });
  files.writeCredentials({ prod: "secret" });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the connection", () => {
  it("is the profile's where nothing else is given", () => {
    expect(findConnection(files, {}, {})).toEqual({ url, token: "secret" });
  });

  it("comes from options before the environment, and from that before the profile", () => {
    const other = "http://127.0.0.1:8420";
    const environment = { SWITCHYARD_URL: other, SWITCHYARD_TOKEN: "from-environment" };
    expect(findConnection(files, {}, environment)).toEqual({
      url: other,
      token: "from-environment",
    });
    const file = join(folder, "token");
    writeFileSync(file, "from-file\n");
    expect(findConnection(files, { url, tokenFile: file }, environment)).toEqual({
      url,
      token: "from-file",
    });
  });

  it("sends no profile's token to another URL", () => {
    const options = { url: "https://elsewhere.example" };
    expect(() => findConnection(files, options, {})).toThrow(/no token/);
  });

  it("is refused where others may read the tokens", () => {
    const path = join(folder, "credentials.toml");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    chmodSync(path, 0o640);
    expect(() => findConnection(files, {}, {})).toThrow(/Others may read/);
  });

  it("is refused where the URL is not one of HTTP", () => {
    expect(() => findConnection(files, { url: "ftp://host" }, {})).toThrow(/http or https/);
  });
});

describe("the folder", () => {
  it("follows XDG_CONFIG_HOME", () => {
    expect(configFolder({ XDG_CONFIG_HOME: "/x" })).toBe("/x/switchyard");
  });
});
