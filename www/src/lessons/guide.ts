// Who leads through the lessons: opens them, looks whether goals are met, and does things for the user.
import { effect, signal } from '@preact/signals';

import { texts } from '../app/texts.js';
import { receipts } from '../broker/receipts.js';
import type { Session } from '../broker/session.js';
import { machineOf } from '../terminal/machine.js';
import { attempt, tell } from '../ui/toast.js';
import { held, isCommand, isLost, isScene, mending, perform, prepare, stageOf } from './act.js';
import { everything } from './all.js';
import { calmly, reached } from './goals.js';
import { type Act, type Lesson, Look, type Stage } from './lesson.js';
import { finished, keep, progress } from './progress.js';

const t = texts({ occupied: 'The terminal is busy: stop it first.' }, { occupied: '终端正忙：请先停止正在运行的命令。' });

/** The lesson that is open. */
export function opened(): Lesson | undefined {
  return everything.find((lesson) => lesson.id === progress.value.open);
}

/** The status of a command that the user has stopped. */
const INTERRUPTED = 130;

/** Whether the user sees the lesson: on a phone the terminal may be in front of it. */
function inSight(): boolean {
  return document.querySelector('[data-lesson-open]')?.checkVisibility() ?? false;
}

export class Guide {
  /** Something is being done for the user. */
  readonly busy = signal(false);
  /** What the start would delete: the user has to say yes. */
  readonly asks = signal<{ topic: string; messages: number }[] | undefined>(undefined);
  /** What is to be done first in the current step, as things have come. */
  readonly mends = signal<readonly Act[]>([]);
  /** The current step cannot be done any more: only a new start helps. */
  readonly lost = signal(false);
  /** It looked so when it was looked at last. */
  #doubt = false;
  /** Which of the user's wishes is being fulfilled; another one, or none, ends that. */
  #doing: symbol | undefined;
  /** One of its commands runs in the terminal. */
  #typing = false;
  /** Changes with each start: what was asked for before is of no interest then. */
  #starts = 0;
  readonly check = calmly(() => this.#check());

  constructor(readonly session: Session) {
    effect(() => {
      void session.play?.frame.value;
      void progress.value;
      this.check();
    });
  }

  async #check(): Promise<void> {
    const { play } = this.session;
    const { step } = progress.value;
    const lesson = opened();
    // The past shows what was: it is not where the user acts.
    if (!lesson || step === undefined || step >= lesson.steps.length || play?.past.value) return;
    const start = this.#starts;
    const look = this.#look();
    const next = await reached(lesson, step, look);
    const mends = await mending(lesson, next, look);
    const lost = await isLost(lesson, next, look);
    if (start !== this.#starts || progress.value.open !== lesson.id || progress.value.step !== step) return;
    if (mends.length !== this.mends.value.length || mends.some((act) => !this.mends.value.includes(act))) this.mends.value = mends;
    // It is said only when it is so for the second time: a step may have been done, or people may have come, meanwhile.
    this.lost.value = lost && this.#doubt;
    if (lost && !this.#doubt) this.check();
    this.#doubt = lost;
    const seen = { ...progress.value.seen, ...look.seen };
    if (next === step) {
      if (JSON.stringify(seen) !== JSON.stringify(progress.value.seen ?? {})) keep({ ...progress.value, seen });
      return;
    }
    if (!inSight()) for (const said of lesson.said().steps.slice(step, next)) tell(`✓ ${said.title}`);
    keep({ ...progress.value, step: next, seen });
    if (next === lesson.steps.length) finished(lesson.id);
  }

  #look(): Look {
    const frame = this.session.play?.frame.value;
    return new Look(this.session.api, this.session.now(), frame?.consumers, frame?.producers, { ...progress.value.seen });
  }

  /** Goes to a lesson, or back to the list. */
  async open(id: string | undefined): Promise<void> {
    const before = opened();
    this.#starts += 1;
    this.#forget();
    keep({ done: progress.value.done, ...(id === undefined ? {} : { open: id }) });
    if (before) await attempt(() => this.#leave(before));
  }

  /** Nothing more is done for the user, and nothing is known of the step that comes next. */
  #forget(): void {
    this.#doing = undefined;
    this.busy.value = false;
    if (this.#typing) machineOf(this.session).interrupt();
    this.#typing = false;
    this.mends.value = [];
    this.lost.value = false;
    this.#doubt = false;
  }

  /** Nobody goes on publishing to a lesson that was left. */
  async #leave(lesson: Lesson): Promise<void> {
    await this.#stage(lesson)?.clear();
    const { play } = this.session;
    const hurries = lesson.steps.some(({ acts }) => acts.some((act) => isScene(act) && act.looks));
    if (hurries && play && play.speed.value > 1) await play.setSpeed(1);
  }

  #stage(lesson: Lesson): Stage | undefined {
    const { play, api } = this.session;
    return play && stageOf(lesson, api, play);
  }

  /** Starts the open lesson; asks first where that deletes what is the user's. */
  async start(sure = false): Promise<void> {
    const lesson = opened();
    if (!lesson) return;
    await attempt(async () => {
      // What is there from another time may be the user's own, or have become that.
      const made = progress.value.step !== undefined;
      const topics = sure ? [] : await held(lesson, this.session.api, made);
      if (opened() !== lesson) return;
      this.asks.value = topics.length > 0 ? topics : undefined;
      if (topics.length === 0) await this.#begin(lesson);
    });
  }

  async #begin(lesson: Lesson): Promise<void> {
    const { play, api } = this.session;
    const start = (this.#starts += 1);
    this.#forget();
    keep({ done: progress.value.done, open: lesson.id });
    await play?.travel(undefined);
    await this.#leave(lesson);
    if (play?.speed.value === 0) await play.setSpeed(1);
    receipts.value = {};
    await prepare(lesson, api, this.#stage(lesson));
    if (start === this.#starts) keep({ ...progress.value, step: 0 });
  }

  /** Whether the terminal runs something, such as a stream: what is entered would only wait behind it. Says so. */
  #occupied(): boolean {
    const { running } = machineOf(this.session);
    if (running.value) tell(t().occupied, true);
    return running.value;
  }

  /** Runs a command in the terminal. */
  async run(command: string): Promise<void> {
    if (!this.#occupied()) await machineOf(this.session).enter(command);
  }

  /** Does all of these for the user: commands in the terminal, where they can be seen. */
  async act(acts: readonly Act[]): Promise<void> {
    const lesson = opened();
    const { play } = this.session;
    if (!lesson || this.busy.value || (acts.some(isCommand) && this.#occupied())) return;
    const doing = (this.#doing = Symbol(lesson.id));
    let stopped = false;
    this.busy.value = true;
    await attempt(() =>
      perform(acts, {
        on: () => !stopped && doing === this.#doing,
        run: async (command) => {
          this.#typing = true;
          stopped = (await machineOf(this.session).enter(command)) === INTERRUPTED;
          if (doing === this.#doing) this.#typing = false;
        },
        pass: async (ms) => play?.advance(ms),
        stage: () => this.#stage(lesson)!,
        receipts: () => receipts.value,
        look: () => this.#look(),
      }),
    );
    if (doing !== this.#doing) return;
    this.busy.value = false;
    this.check();
  }
}

const guides = new WeakMap<Session, Guide>();

/** The guide of a session. Goals are looked at also while the lessons are out of sight. */
export function guideOf(session: Session): Guide {
  let guide = guides.get(session);
  if (!guide) guides.set(session, (guide = new Guide(session)));
  return guide;
}
