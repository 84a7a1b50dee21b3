// Starting a lesson, and doing what its steps say.
import type { Api } from '../broker/api.js';
import { ApiError } from '../broker/fetch.js';
import { type Act, type Command, type Lesson, Look, type Scene, Stage, type Cast } from './lesson.js';

export function isCommand(act: Act): act is Command {
  return 'run' in act;
}

export function isScene(act: Act): act is Scene {
  return 'act' in act;
}

/**
 * The topics that are deleted when a lesson starts, with how many messages are not finished in them; those that it has
 * made itself only where there are some.
 */
export async function held(lesson: Lesson, api: Api, made: boolean): Promise<{ topic: string; messages: number }[]> {
  const look = new Look(api, 0);
  const topics = await Promise.all(lesson.topics.map((topic) => look.topic(topic)));
  return topics.flatMap((topic) => {
    if (topic === undefined) return [];
    const piles = topic.channels.map((one) => one.depth + one.in_flight_count + one.deferred_count + one.dead_count);
    const messages = Math.max(topic.depth, ...piles);
    return messages > 0 || !made ? [{ topic: topic.topic_name, messages }] : [];
  });
}

export function stageOf(lesson: Lesson, api: Api, cast: Cast): Stage {
  return new Stage(api, cast, lesson.topics[0]!);
}

/** Makes the place clean, and lets the cast enter. */
export async function prepare(lesson: Lesson, api: Api, stage: Stage | undefined): Promise<void> {
  await stage?.clear();
  for (const topic of lesson.topics) {
    await api.topic('delete', topic).catch((why: unknown) => {
      if (!(why instanceof ApiError && why.status === 404)) throw why;
    });
  }
  if (lesson.there) {
    const { topic, channel } = lesson.there;
    await api.topic('create', topic);
    if (channel !== undefined) await api.channel('create', topic, channel);
  }
  if (stage && lesson.setup) await lesson.setup(stage);
}

/** The channel that a command is about, as `topic/channel`. */
function place(command: string): string {
  const query = new URLSearchParams(/\?([^'"\s]*)/.exec(command)?.[1] ?? '');
  return `${query.get('topic')}/${query.get('channel')}`;
}

/** A command with its receipt in it, where one is known. */
export function filled(command: string, receipts: Readonly<Record<string, string>>): string {
  const receipt = receipts[place(command)];
  return receipt === undefined ? command : command.replace('RECEIPT', receipt);
}

/** Whether an act of a step is to be done as things are. */
export async function isNeeded(act: Act, look: Look): Promise<boolean> {
  return isScene(act) || act.needed === undefined || act.needed(look);
}

/** What mends a step where that is needed now. */
export async function mending(lesson: Lesson, step: number, look: Look): Promise<Act[]> {
  const mends = lesson.steps[step]?.acts.filter((act) => 'mends' in act) ?? [];
  const needed = await Promise.all(mends.map((act) => isNeeded(act, look)));
  return mends.filter((_, at) => needed[at]);
}

/** Whether only a new start helps: what a step needs is gone. */
export async function isLost(lesson: Lesson, step: number, look: Look): Promise<boolean> {
  if (step === lesson.steps.length) return false;
  const begun = lesson.there !== undefined || lesson.setup !== undefined || step > 0;
  if (begun && (await look.topic(lesson.topics[0]!)) === undefined) return true;
  return (await lesson.steps[step]!.lost?.(look)) ?? false;
}

/** What somebody needs to do the acts of a step for the user. */
export interface Hands {
  /** Runs a command, and comes back when it is through. */
  run(command: string): Promise<void>;
  pass(ms: number): Promise<void>;
  stage(): Stage;
  receipts(): Readonly<Record<string, string>>;
  look(): Look;
  /** Whether to go on: the user may have stopped it, or gone to another lesson. */
  on(): boolean;
}

/** Does all that a step says, in order, as long as it is wanted. */
export async function perform(acts: readonly Act[], hands: Hands): Promise<void> {
  for (const act of acts) {
    const needed = await isNeeded(act, hands.look());
    if (!hands.on()) return;
    if (!needed) continue;
    if (isScene(act)) await act.act(hands.stage());
    else if (isCommand(act)) await hands.run(filled(act.run, hands.receipts()));
    else await hands.pass(act.pass);
  }
}
