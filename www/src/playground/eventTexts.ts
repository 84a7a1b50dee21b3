// What happened, in the language of the page. The worker tells it in English.
import type { StepTold } from 'shelfmq/recording';

import { texts } from '../app/texts.js';
import type { Told } from '../broker/play.js';
import { ENGLISH, lineOf } from './steps.js';

const words = texts(ENGLISH, {
  kinds: { timeout: '到时', 'hang-up': '断开连接', shutdown: '关闭' },
  handed: (count, who) => `→ ${count} 条给 ${who}`,
  request: (ticket) => `请求 ${ticket}`,
});

/** One line. */
export function eventText({ text, detail }: Told): string {
  return words() === ENGLISH ? text : lineOf(detail as StepTold[], words());
}
