import { useEffect, useState } from "preact/hooks";
import { Poller } from "../poller.ts";

/** A poller that lives as long as the page for this key. */
export function usePoller<T>(
  key: string,
  read: (before: T | undefined) => Promise<T>,
  isBusy: (value: T) => boolean,
  restMs?: number,
): Poller<T> | undefined {
  const [poller, setPoller] = useState<Poller<T> | undefined>(undefined);
  useEffect(() => {
    const made = new Poller(read, isBusy, restMs);
    setPoller(made);
    return () => made.stop();
  }, [key]);
  return poller;
}
