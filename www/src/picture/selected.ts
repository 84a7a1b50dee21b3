// The message whose story is wanted: the picture says which, the events panel tells it.
import { signal } from '@preact/signals';

export interface Selected {
  topic: string;
  /** Not for what waits in its topic. */
  channel?: string;
  id: string;
}

export const selected = signal<Selected | undefined>(undefined);
