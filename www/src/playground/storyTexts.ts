// A story's sentences in the language of the page. The recording tells them in English.
import { language } from '../app/texts.js';
import { timeOf } from './clock.js';

const WHAT: Record<string, string> = {
  published: '发布',
  leased: '租出',
  touched: '续期',
  finished: '完成',
  requeued: '重新排队',
  'timed out': '租约到期',
  died: '成为死信',
  'no dead letter any more': '不再是死信',
  redriven: '重投',
  dropped: '丢弃',
  'channel moved': '通道移动了位置',
  lost: '丢失',
  'topic deleted': '主题被删除',
  'expired, or dropped with the topic’s backlog': '过期，或随主题积压一起丢弃',
  moved: '移动',
  now: '现在',
};

const BECAUSE: [RegExp, string][] = [
  [/^the channel is paused$/, '通道已暂停'],
  [/^the channel has (\d+) messages in flight, as many as max_in_flight lets it$/, '通道有 $1 条消息处理中，已达 max_in_flight 上限'],
  [/^no consumer waits$/, '没有消费者在等待'],
  [/^the channel reads on at (\S+), and its consumers have no room$/, '通道将从 $1 继续读取，但消费者没有余量'],
  [/^the topic is paused$/, '主题已暂停'],
  [/^it is not as durable as was promised$/, '尚未持久化到所承诺的程度'],
  [/^the topic has not handed it over$/, '主题尚未交给通道'],
  [/^the topic has no channel: the first one gets it$/, '主题还没有通道：第一个通道会得到它'],
  [/^leased to (.*) until (\S+)$/, '租给 $1，至 $2'],
  [/^deferred until (\S+)$/, '延迟至 $1'],
  [/^held behind message (\S+) of its key$/, '排在同键消息 $1 之后'],
  [/^dead after (\d+) attempts, and not taken by (\S+) yet$/, '投递 $1 次后成为死信，尚未被 $2 接收'],
  [/^dead after (\d+) attempts$/, '投递 $1 次后成为死信'],
  [/^expired, or dropped$/, '已过期或被丢弃'],
  [/^finished, dropped, or passed over$/, '已完成、被丢弃或被跳过'],
  [/^its lease ran out$/, '租约到期'],
  [/^it was requeued$/, '被重新排队'],
  [/^the topic was full$/, '主题已满'],
  [/^it cannot be read$/, '无法读取'],
  [/^it was moved to another topic, or dropped$/, '已移至另一主题或被丢弃'],
  [/^no message of this id was published to this topic, as far as is recorded$/, '在录像范围内，该主题没有发布过此编号的消息'],
];

export function whatText(what: string): string {
  return language.value === 'zh' ? WHAT[what.replace("'", '’')] ?? what : what;
}

/** With times by the page's clock, and without the zeros that ids begin with. */
export function becauseText(because: string): string {
  const [pattern, chinese] = (language.value === 'zh' && BECAUSE.find(([pattern]) => pattern.test(because))) || [];
  const text = pattern ? because.replace(pattern, chinese!) : because;
  return text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => timeOf(Date.parse(time)))
    .replace(/\b0+([1-9a-f][0-9a-f]*)\b/g, (id, short: string) => (id.length === 16 ? short : id));
}
