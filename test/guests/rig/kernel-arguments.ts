/**
 * A guest in emulation on a busy machine may miss the timer interrupts that the kernel counts at its
 * start, which would be a panic. The clock source is QEMU's own HPET: its frequency is exact, where a TSC's is measured by the guest
 * in emulation. So the guest's clock differs from the machine's only by the time that it has lost.
 */
export const KERNEL_ARGUMENTS =
  "console=ttyS0 no_timer_check clocksource=hpet tsc=unstable mitigations=off nokaslr panic=-1 " +
  "loglevel=4";
