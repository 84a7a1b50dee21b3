// What is shown live: asked for again every second, while somebody looks.
import { effect, signal, untracked, type ReadonlySignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';

import { token, wantsToken, type Session } from '../broker/session.js';

const INTERVAL = 1_000;
/** A broker for which an answer is much work is asked less often: it works on them a fifth of the time at most. */
const REST = 4;

/** An answer that is kept up to date, one question at a time. */
export class Live<T> {
  readonly #value = signal<T | undefined>(undefined);
  readonly #error = signal<unknown>(undefined);
  readonly value: ReadonlySignal<T | undefined> = this.#value;
  /** Why the last question had no answer. */
  readonly error: ReadonlySignal<unknown> = this.#error;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;
  #again = false;
  #on = false;

  constructor(private ask: () => Promise<T>) {}

  start(): void {
    this.#on = true;
    document.addEventListener('visibilitychange', this.refresh);
  }

  stop(): void {
    this.#on = false;
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.refresh);
  }

  /** Asks now, or as soon as the question that is on its way has its answer. */
  readonly refresh = (): void => {
    if (this.#asking) this.#again = true;
    else void this.#run();
  };

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.#on || document.visibilityState === 'hidden' || wantsToken.peek()) return;
    this.#asking = true;
    this.#again = false;
    const began = performance.now();
    try {
      const value = await this.ask();
      if (this.#on) this.#value.value = value;
      this.#error.value = undefined;
    } catch (why) {
      this.#error.value = why;
    }
    this.#asking = false;
    if (!this.#on) return;
    const took = performance.now() - began;
    this.#timer = setTimeout(() => void this.#run(), this.#again ? 0 : Math.max(INTERVAL, took * REST));
  }
}

/**
 * Keeps an answer up to date for as long as the component is there. Another `key` is another thing; another `question`
 * about the same thing is asked at once, and the last answer stays until there is one.
 */
export function useLive<T>(session: Session, key: string, ask: () => Promise<T>, question = ''): Live<T> {
  const latest = useRef(ask);
  latest.current = ask;
  const live = useMemo(() => new Live(() => latest.current()), [session, key]);
  useEffect(() => {
    live.start();
    // The first time, it asks. Another token, or another moment of the past, has another answer.
    const stop = effect(() => {
      void [token.value, wantsToken.value, session.play?.past.value?.step];
      untracked(live.refresh);
    });
    return () => (stop(), live.stop());
  }, [live]);
  const asked = useRef(question);
  useEffect(() => {
    if (asked.current !== question) live.refresh();
    asked.current = question;
  }, [question]);
  return live;
}
