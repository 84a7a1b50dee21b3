// A story in the language of the page, by its codes.
import type { BecauseCode, WhatCode, Why } from 'shelfmq/recording';

import { texts } from '../app/texts.js';
import { timeOf } from './clock.js';

interface Texts {
  what: Record<WhatCode, string>;
  because: Record<BecauseCode, (why: Why) => string>;
}

const ENGLISH: Texts = {
  what: {
    published: 'published',
    leased: 'leased',
    touched: 'touched',
    finished: 'finished',
    requeued: 'requeued',
    timed_out: 'timed out',
    died: 'died',
    dead_gone: 'no dead letter any more',
    redriven: 'redriven',
    dropped: 'dropped',
    channel_moved: 'channel moved',
    lost: 'lost',
    topic_deleted: 'topic deleted',
    expired: 'expired, or dropped with the topic’s backlog',
    moved: 'moved',
    now: 'now',
  },
  because: {
    unknown: () => 'no message of this id was published to this topic, as far as is recorded',
    no_channel: () => 'the topic has no channel: the first one gets it',
    topic_paused: () => 'the topic is paused',
    not_durable: () => 'it is not as durable as was promised',
    in_topic: () => 'the topic has not handed it over',
    channel_paused: () => 'the channel is paused',
    in_flight_limit: ({ in_flight }) => `the channel has ${in_flight} messages in flight, as many as max_in_flight lets it`,
    no_consumer: () => 'no consumer waits',
    no_room: (why) => `the channel reads on at ${shortId(why.reads_next)}, and its consumers have no room`,
    leased: ({ client, until }) => `leased to ${client} until ${time(until)}`,
    deferred: ({ until }) => `deferred until ${time(until)}`,
    held: ({ behind }) => `held behind message ${shortId(behind)} of its key`,
    dead: ({ attempts }) => `dead after ${attempts} attempts`,
    dead_waits: (why) => `dead after ${why.attempts} attempts, and not taken by ${why.dead_letter} yet`,
    expired: () => 'expired, or dropped',
    done: () => 'finished, dropped, or passed over',
    lease_ran_out: () => 'its lease ran out',
    requeued: () => 'it was requeued',
    moved_or_dropped: () => 'it was moved to another topic, or dropped',
    topic_full: () => 'the topic was full',
    unreadable: () => 'it cannot be read',
  },
};

const CHINESE: Texts = {
  what: {
    published: '发布',
    leased: '租出',
    touched: '续期',
    finished: '完成',
    requeued: '重新排队',
    timed_out: '租约到期',
    died: '成为死信',
    dead_gone: '不再是死信',
    redriven: '重投',
    dropped: '丢弃',
    channel_moved: '通道移动了位置',
    lost: '丢失',
    topic_deleted: '主题被删除',
    expired: '过期，或随主题积压一起丢弃',
    moved: '移动',
    now: '现在',
  },
  because: {
    unknown: () => '在录像范围内，该主题没有发布过此编号的消息',
    no_channel: () => '主题还没有通道：第一个通道会得到它',
    topic_paused: () => '主题已暂停',
    not_durable: () => '尚未持久化到所承诺的程度',
    in_topic: () => '主题尚未交给通道',
    channel_paused: () => '通道已暂停',
    in_flight_limit: ({ in_flight }) => `通道有 ${in_flight} 条消息处理中，已达 max_in_flight 上限`,
    no_consumer: () => '没有消费者在等待',
    no_room: (why) => `通道将从 ${shortId(why.reads_next)} 继续读取，但消费者没有余量`,
    leased: ({ client, until }) => `租给 ${client}，至 ${time(until)}`,
    deferred: ({ until }) => `延迟至 ${time(until)}`,
    held: ({ behind }) => `排在同键消息 ${shortId(behind)} 之后`,
    dead: ({ attempts }) => `投递 ${attempts} 次后成为死信`,
    dead_waits: (why) => `投递 ${why.attempts} 次后成为死信，尚未被 ${why.dead_letter} 接收`,
    expired: () => '已过期或被丢弃',
    done: () => '已完成、被丢弃或被跳过',
    lease_ran_out: () => '租约到期',
    requeued: () => '被重新排队',
    moved_or_dropped: () => '已移至另一主题或被丢弃',
    topic_full: () => '主题已满',
    unreadable: () => '无法读取',
  },
};

const t = texts(ENGLISH, CHINESE);

/** An id without the zeros that it begins with. */
export function shortId(id = ''): string {
  return id.replace(/^0+(?=.)/, '');
}

/** By the page's clock. */
function time(rfc3339: string | null | undefined): string {
  return rfc3339 ? timeOf(Date.parse(rfc3339)) : '';
}

export function whatText(code: WhatCode): string {
  return t().what[code];
}

/** Nothing, where nothing is said of why. */
export function becauseText(why: Why): string {
  return why.because_code === undefined ? '' : t().because[why.because_code](why);
}
