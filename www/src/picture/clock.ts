// The broker's time for what counts down. It goes on between two frames, as fast as the broker's time does.
import { signal } from '@preact/signals';

/** The broker's time, in steps that are worth drawing, ms since 1970. */
export const clock = signal(0);

/** How much is left until a time in nanoseconds, ms. */
export function left(until: number): number {
  return Math.max(0, until / 1e6 - clock.value);
}

/** How much is left, as short as it fits on a token: `4.2s`, `38s`, `12m`, `3h`. */
export function short(ms: number): string {
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)}s`;
  if (ms < 99_500) return `${Math.round(ms / 1_000)}s`;
  if (ms < 5_970_000) return `${Math.round(ms / 60_000)}m`;
  return `${Math.round(ms / 3_600_000)}h`;
}
