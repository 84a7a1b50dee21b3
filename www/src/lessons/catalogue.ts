// The names of all lessons and scenes: enough for a list of them. What they say and check is loaded with the first one.
import { texts } from '../app/texts.js';

export const LESSONS = ['publish', 'copies', 'backlog', 'lease', 'requeue', 'dead', 'ordered', 'deferred', 'replay', 'touch'] as const;
export const SCENES = ['decoupling', 'speed', 'broadcast', 'peak', 'wrong'] as const;
/** In the order in which they are meant to be taken. */
export const IDS = [...LESSONS, ...SCENES] as const;
export type Id = (typeof IDS)[number];

export interface Name {
  title: string;
  /** What one learns, in a few words. */
  teaches: string;
}

export const names = texts<Record<Id, Name>>(
  {
    publish: { title: 'A book on the shelf', teaches: 'Publish and subscribe' },
    copies: { title: 'A copy for each channel', teaches: 'Copies and sharing' },
    backlog: { title: 'Before anybody listens', teaches: 'Backlog' },
    lease: { title: 'Taken, not gone', teaches: 'Lease, finish, timeout' },
    requeue: { title: 'Not now', teaches: 'Requeue and attempts' },
    dead: { title: 'When nothing helps', teaches: 'Dead letters and redrive' },
    ordered: { title: 'One after another', teaches: 'Ordered keys' },
    deferred: { title: 'Wake me later', teaches: 'Deferred messages' },
    replay: { title: 'Read it again', teaches: 'Retention and replay' },
    touch: { title: 'A long job', teaches: 'Touch' },
    decoupling: { title: 'Nobody has to be at home', teaches: 'Decoupling' },
    speed: { title: 'Five minutes are enough', teaches: 'Speed' },
    broadcast: { title: 'One more reader', teaches: 'Broadcast' },
    peak: { title: 'A rush, and a slow reader', teaches: 'Peak shaving' },
    wrong: { title: 'Mother asks', teaches: 'The wrong tool' },
  },
  {
    publish: { title: '把书放上书架', teaches: '发布与订阅' },
    copies: { title: '每个通道一份', teaches: '复制与分担' },
    backlog: { title: '还没有人在听', teaches: '积压' },
    lease: { title: '取走不等于消失', teaches: '租约、完成、超时' },
    requeue: { title: '现在不行', teaches: '重新排队与投递次数' },
    dead: { title: '怎么都不行', teaches: '死信与重投' },
    ordered: { title: '一个接一个', teaches: '有序的键' },
    deferred: { title: '晚点叫我', teaches: '延迟消息' },
    replay: { title: '再读一遍', teaches: '保留与重放' },
    touch: { title: '时间很长的活', teaches: '续期' },
    decoupling: { title: '谁也不必在家', teaches: '解耦' },
    speed: { title: '五分钟就够', teaches: '提速' },
    broadcast: { title: '多一个读者', teaches: '广播' },
    peak: { title: '一阵忙，一个慢读者', teaches: '削峰' },
    wrong: { title: '妈妈来问', teaches: '用错了地方' },
  },
);
