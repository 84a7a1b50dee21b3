// What simulated consumers are called, and what each does.
import { texts } from '../app/texts.js';
import type { Behaviour } from '../broker/play.js';

/** What is dragged onto a channel of the picture has this type. */
export const DRAGGED = 'application/x-shelfmq-behaviour';

export const behaviourTexts = texts<Record<Behaviour, { name: string; does: string }>>(
  {
    fast: { name: 'Fast', does: 'finishes each message at once' },
    slow: { name: 'Slow', does: 'takes two seconds for each' },
    flaky: { name: 'Flaky', does: 'requeues every third' },
    crashes: { name: 'Crashes', does: 'never finishes: its leases run out' },
    ordered: { name: 'Ordered', does: 'one at a time, in order of keys' },
  },
  {
    fast: { name: '快速', does: '立即完成每条消息' },
    slow: { name: '缓慢', does: '每条消息需要两秒' },
    flaky: { name: '不稳定', does: '每三条就有一条重新排队' },
    crashes: { name: '崩溃', does: '从不完成，租约到期' },
    ordered: { name: '有序', does: '按 key 的顺序逐条处理' },
  },
);
