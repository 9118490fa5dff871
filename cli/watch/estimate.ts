export type Rates = {
  readonly remainingBytes: number;
  readonly bandwidthBytesPerSecond: number;
  readonly dirtyBytesPerSecond: number;
  /** What QEMU may send while the guest stands still. */
  readonly downtimeLimitMs: number;
};

/**
 * Time until what is left fits the downtime limit, at the rates of now; undefined when the guest
 * dirties memory as fast as it is sent.
 */
export function estimateMs(rates: Rates): number | undefined {
  const { remainingBytes, bandwidthBytesPerSecond, dirtyBytesPerSecond, downtimeLimitMs } = rates;
  const fits = (bandwidthBytesPerSecond * downtimeLimitMs) / 1000;
  if (remainingBytes <= fits) return 0;
  const net = bandwidthBytesPerSecond - dirtyBytesPerSecond;
  return net <= 0 ? undefined : ((remainingBytes - fits) / net) * 1000;
}
