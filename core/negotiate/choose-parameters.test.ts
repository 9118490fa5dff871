import { describe, expect, it } from "vitest";
import { agree, on, reason, refuse } from "./testing/negotiating.ts";
import { qemuProbe } from "./testing/probes.ts";

describe("parameters", () => {
  it("all of them are set, since an earlier migration may have changed them", () => {
    const { source, target } = agree({ from: "11.1" });
    expect(source.parameters).toEqual({
      "throttle-trigger-threshold": 50,
      "cpu-throttle-initial": 20,
      "cpu-throttle-increment": 10,
      "cpu-throttle-tailslow": false,
      "max-cpu-throttle": 99,
      "tls-creds": "",
      "tls-hostname": "",
      "max-bandwidth": 0,
      "avail-switchover-bandwidth": 0,
      "downtime-limit": 300,
      "multifd-channels": 2,
      "xbzrle-cache-size": 67_108_864,
      "max-postcopy-bandwidth": 0,
      "multifd-compression": "none",
      "multifd-zlib-level": 1,
      "multifd-zstd-level": 1,
      "multifd-qatzip-level": 1,
      "vcpu-dirty-limit": 1,
      "x-vcpu-dirty-limit-period": 1000,
      mode: "normal",
      "zero-page-detection": "multifd",
    });
    expect(target.parameters).toEqual({
      "announce-initial": 50,
      "announce-max": 550,
      "announce-rounds": 5,
      "announce-step": 100,
      "tls-creds": "",
      "tls-authz": "",
      "multifd-channels": 2,
      "multifd-compression": "none",
      "multifd-zlib-level": 1,
      "multifd-zstd-level": 1,
      "multifd-qatzip-level": 1,
    });
  });

  it("given ones go to the sides that use them", () => {
    const { source, target } = agree({
      policy: {
        downtimeLimitMs: 40,
        capabilities: { multifd: "require" },
        parameters: { "multifd-channels": 8, "announce-rounds": 9, "max-bandwidth": "1000" },
      },
    });
    expect([source.parameters["multifd-channels"], target.parameters["multifd-channels"]]).toEqual([
      8, 8,
    ]);
    expect(source.parameters["downtime-limit"]).toBe(40);
    expect(source.parameters["max-bandwidth"]).toBe(1000);
    expect(source.parameters).not.toHaveProperty("announce-rounds");
    expect(target.parameters["announce-rounds"]).toBe(9);
    expect(target.parameters).not.toHaveProperty("downtime-limit");
  });

  it("the bandwidth at switchover is set where QEMU has it, and omitted with a reason elsewhere", () => {
    const policy = { switchoverBandwidthBytesPerSecond: 1_000_000 };
    expect(agree({ policy }).source.parameters["avail-switchover-bandwidth"]).toBe(1_000_000);
    const old = agree({ from: "7.2", policy });
    expect(old.source.parameters).not.toHaveProperty("avail-switchover-bandwidth");
    expect(reason(old, "avail-switchover-bandwidth")).toMatch(/not set: the source's QEMU 7.2.2/);
  });

  it("an explicit parameter that a side lacks is a blocker", () => {
    const policy = { parameters: { "avail-switchover-bandwidth": 1_000_000 } };
    expect(refuse({ from: "7.2", policy })).toMatchObject([
      { code: "parameter-absent", field: "policy.parameters.avail-switchover-bandwidth" },
    ]);
    expect(agree({ from: "10.0", to: "7.2", policy })).toBeDefined();
  });

  it("multifd-compression must be in both builds", () => {
    const target = { qemu: qemuProbe("10.0", { multifdCompression: ["none", "zlib"] }) };
    const policy = (method: string) => ({
      capabilities: { multifd: "require" },
      parameters: { "multifd-compression": method },
    });
    expect(refuse({ target, policy: policy("zstd") })).toMatchObject([
      {
        code: "compression-unsupported",
        field: "policy.parameters.multifd-compression",
        cure: "Use one that both builds have: none, zlib",
      },
    ]);
    const { source, target: there } = agree({ target, policy: policy("zlib") });
    expect(source.parameters["multifd-compression"]).toBe("zlib");
    expect(there.parameters["multifd-compression"]).toBe("zlib");
  });

  it("a target before 9.0 gets no zero pages in the form of multifd", () => {
    const multifd = { capabilities: { multifd: "require" } };
    const { source } = agree({ from: "10.0", to: "7.2", policy: multifd });
    expect(source.parameters["zero-page-detection"]).toBe("legacy");
    const policy = { ...multifd, parameters: { "zero-page-detection": "multifd" } };
    expect(refuse({ from: "10.0", to: "7.2", policy })).toMatchObject([
      { code: "zero-pages-unreadable" },
    ]);
  });

  it("a parameter without its capability is set, and its reason is that it has no effect", () => {
    const agreement = agree({ policy: { parameters: { "multifd-channels": 4 } } });
    expect(reason(agreement, "multifd-channels")).toMatch(/no effect, as `multifd` is off/);
  });

  it("compression drops zero-copy-send if that is only asked for", () => {
    const agreement = agree({
      policy: {
        capabilities: { multifd: "require", "zero-copy-send": "ask" },
        parameters: { "multifd-compression": "zstd" },
      },
    });
    expect(on(agreement.source)).not.toContain("zero-copy-send");
  });
});
