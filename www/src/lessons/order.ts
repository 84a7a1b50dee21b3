// Lessons 7 to 9: order, later, and once more.
import { texts } from '../app/texts.js';
import type { State } from '../broker/api.js';
import { type Lesson, type Look, type Said, again, gone, lapse, look, mend, nothing, run, seconds } from './lesson.js';

const ordered = texts<Said>(
  {
    about:
      'Two games of chess by post. The moves of one game have to come in order, but the games need not wait for each other. So each game is a *key*, and the channel is an *ordered* one.',
    steps: [
      { title: 'An ordered channel', text: 'While a message with a key is being worked on, no later message with that key is handed out.' },
      { title: 'Three moves', text: 'Two in the red game, one in the blue game.' },
      {
        title: 'Take two',
        text: 'The first is red’s `e4`. The second is not red’s `e5`, which has to wait for `e4`: it is blue’s `d4`. A third `/sub` gets nothing yet.',
        hint: 'Do not finish `e4` yet: the next step does. If its lease has run out in the meantime, or the lines were run the other way round, `e5` may be the move that you hold; that will do.',
      },
      { title: 'Finish e4, and e5 follows', text: 'As soon as `e4` is finished, the next move of the red game is ready.' },
    ],
    why: 'Order where it matters, and all the rest at once: a slow or broken message holds up its own key and nobody else.',
  },
  {
    about: '同时下两盘通信棋。同一盘棋的着法必须按顺序来，但两盘棋不必互相等。所以每盘棋用一个*键*，通道设为*有序*。',
    steps: [
      { title: '有序通道', text: '带某个键的消息还在处理时，后面带同一个键的消息不会交出来。' },
      { title: '三步棋', text: '红局两步，蓝局一步。' },
      {
        title: '取两条',
        text: '第一条是红局的 `e4`。第二条不是红局的 `e5`，它要等 `e4`：取到的是蓝局的 `d4`。第三次 `/sub` 暂时什么也拿不到。',
        hint: '先别完成 `e4`，下一步再做。如果它的租约已经到期，或者两行的顺序反了，手里拿到的可能是 `e5`，那也可以。',
      },
      { title: '完成 e4，e5 跟上', text: '`e4` 一完成，红局的下一步就就绪了。' },
    ],
    why: '该有序的地方有序，其余的一起跑：一条慢消息或坏消息只会拖住它自己的键，不会拖住别人。',
  },
);

const deferred = texts<Said>(
  {
    about: 'A message can be published now and delivered later: a reminder, a retry, an order that is cancelled if nobody pays.',
    steps: [
      { title: 'An alarm in an hour', text: '`defer=1h` holds the message back. In the picture it lies among the deferred ones, with its time.' },
      {
        title: 'Others do not wait for it',
        text: 'Breakfast is published later, but it is ready now. So it is what you get.',
      },
      {
        title: 'An hour later',
        text: 'Time is yours here: let an hour pass. The alarm becomes ready by itself; receive it.',
        hint: 'Let time pass first: until then nothing is ready, and `/sub` gets nothing.',
      },
    ],
    why: 'The broker keeps the time, and it keeps it over a restart, too. No cron job, no table with due dates that somebody has to look through.',
  },
  {
    about: '消息可以现在发布，以后投递：提醒、重试、没付款就自动取消的订单。',
    steps: [
      { title: '一小时后的闹钟', text: '`defer=1h` 把消息先压住。图里它在延迟的那一堆，旁边写着到点的时间。' },
      { title: '别人不用等它', text: '早餐虽然发布得晚，但现在就绪。所以你拿到的是早餐。' },
      {
        title: '一小时之后',
        text: '在这里，时间由你掌握：让一小时过去。闹钟自己变为就绪，接收它。',
        hint: '先让时间过去：在那之前没有就绪的消息，`/sub` 什么也拿不到。',
      },
    ],
    why: '时间由消息队列来记，重启了也不会忘。不需要定时任务，也不需要一张要反复扫描的到期表。',
  },
);

const replay = texts<Said>(
  {
    about: 'Normally a message is gone when all channels are done with it. A topic with *retention* keeps it for a while, so that a channel can start in the past, or go back there.',
    steps: [
      { title: 'A diary is kept', text: 'This topic keeps its messages for seven days.' },
      { title: 'Write and read', text: 'Three days are written, and Xiaohong reads them. Her channel has nothing left.' },
      { title: 'A newcomer starts at the beginning', text: 'Xiaoming’s channel is created afterwards, with `start=earliest`. It has all three days.' },
      {
        title: 'Back to the start',
        text: 'Xiaohong wants to read it again: `seek` moves her channel back. Xiaoming’s does not notice.',
      },
    ],
    why: 'A new service can learn from what was there before it. And when yesterday’s code had a bug, deploy the fix and replay yesterday.',
  },
  {
    about: '通常，所有通道都处理完，消息就没了。设了*保留*的主题会把它多留一阵，让通道可以从过去开始，或者回到过去。',
    steps: [
      { title: '日记要留着', text: '这个主题把消息保留七天。' },
      { title: '写完读完', text: '写了三天日记，小红都读了。她的通道里什么也不剩。' },
      { title: '新来的从头读', text: '小明的通道是后来才创建的，带上 `start=earliest`，三天的日记都有。' },
      { title: '回到开头', text: '小红想再读一遍：`seek` 把她的通道移回去。小明的通道毫无察觉。' },
    ],
    why: '新服务可以从自己出生之前的消息学起。昨天的代码有 bug？部署修好的版本，把昨天重放一遍。',
  },
);

/** The diary does not keep its messages, or not for so long, and no newcomer has them before him. */
async function forgets(look: Look): Promise<boolean> {
  const kept = (await look.topic('diary'))?.options.retain_ms ?? 0;
  if (kept === 0) return true;
  return look.now - Number(look.seen['read'] ?? look.now) >= kept && (await look.left('diary', 'xiaoming')) === 0;
}

const ALARM = "curl -d 'Wake up' 'localhost:4151/pub?topic=alarms&defer=1h'";
/** A newcomer who is there too early. */
const AWAY = "curl -X POST 'localhost:4151/channel/delete?topic=diary&channel=xiaoming'";

/** How many moves of a game are in these states. */
async function moves(look: Look, game: string, ...states: State[]): Promise<number> {
  const piles = await Promise.all(states.map((state) => look.messages('moves', 'board', state)));
  return piles.flat().filter((one) => one.key === game).length;
}

const unfinished = (look: Look, game: string): Promise<number> => moves(look, game, 'ready', 'in_flight', 'deferred');

export const order: Lesson[] = [
  {
    id: 'ordered',
    said: ordered,
    topics: ['moves'],
    there: { topic: 'moves' },
    steps: [
      {
        acts: [run("curl -X POST 'localhost:4151/channel/create?topic=moves&channel=board&ordered=true'")],
        met: async (look) => (await look.channel('moves', 'board'))?.options.ordered === true,
      },
      {
        acts: [
          run("curl -d 'red: e4' 'localhost:4151/pub?topic=moves&key=red'"),
          run("curl -d 'red: e5' 'localhost:4151/pub?topic=moves&key=red'"),
          run("curl -d 'blue: d4' 'localhost:4151/pub?topic=moves&key=blue'"),
        ],
        met: async (look) => {
          if (((await look.channel('moves', 'board'))?.message_count ?? 0) < 3) return false;
          const waiting = await look.messages('moves', 'board', 'ready');
          return waiting.filter((one) => one.key === 'red').length >= 2 && waiting.some((one) => one.key === 'blue');
        },
        lost: async (look) => (await look.channel('moves', 'board'))?.options.ordered !== true,
      },
      {
        acts: [
          lapse(async (look) => (await moves(look, 'blue', 'in_flight')) > 0 && (await moves(look, 'blue', 'ready')) === 0),
          // Blue's move comes first where it was published first.
          mend("curl 'localhost:4151/sub?topic=moves&channel=board&ack=auto'", async (look) => {
            const [first] = await look.messages('moves', 'board', 'ready');
            return first !== undefined && first.key !== 'red' && (await moves(look, 'red', 'in_flight')) === 0;
          }),
          { ...run("curl -i 'localhost:4151/sub?topic=moves&channel=board'"), needed: async (look) => (await moves(look, 'red', 'in_flight')) === 0 },
          { ...run("curl 'localhost:4151/sub?topic=moves&channel=board&ack=auto'"), needed: async (look) => (await unfinished(look, 'blue')) > 0 },
          look("curl -i 'localhost:4151/sub?topic=moves&channel=board&wait=0'"),
        ],
        // Blue's move is finished while one of red's is held, whichever of them that is by now.
        met: async (look) => (await moves(look, 'red', 'in_flight')) > 0 && (await unfinished(look, 'blue')) === 0,
        lost: async (look) => (await unfinished(look, 'red')) === 0,
      },
      {
        acts: [
          ...again('moves', 'board'),
          run("curl -X POST 'localhost:4151/fin?topic=moves&channel=board&receipt=RECEIPT'"),
          { ...run("curl 'localhost:4151/sub?topic=moves&channel=board&ack=auto'"), needed: async (look) => (await moves(look, 'red', 'ready')) > 0 },
        ],
        met: async (look) => ((await look.channel('moves', 'board'))?.finish_count ?? 0) >= 2 && (await unfinished(look, 'red')) === 0,
        lost: async (look) => (await unfinished(look, 'red')) === 0,
      },
    ],
  },
  {
    id: 'deferred',
    said: deferred,
    topics: ['alarms'],
    there: { topic: 'alarms', channel: 'bed' },
    steps: [
      {
        acts: [run(ALARM)],
        met: async (look) => ((await look.channel('alarms', 'bed'))?.deferred_count ?? 0) >= 1,
        lost: gone('alarms', 'bed'),
      },
      {
        acts: [
          mend(ALARM, async (look) => ((await look.channel('alarms', 'bed'))?.deferred_count ?? 0) === 0),
          run("curl -d 'Breakfast' 'localhost:4151/pub?topic=alarms'"),
          run("curl 'localhost:4151/sub?topic=alarms&channel=bed&ack=auto'"),
        ],
        met: async (look) => {
          const channel = await look.channel('alarms', 'bed');
          look.mark('alarm', await look.messages('alarms', 'bed', 'deferred'));
          return channel !== undefined && channel.finish_count >= 1 && channel.deferred_count >= 1;
        },
        lost: gone('alarms', 'bed'),
      },
      {
        acts: [seconds(3_600), run("curl 'localhost:4151/sub?topic=alarms&channel=bed&ack=auto'")],
        met: async (look) => {
          const channel = await look.channel('alarms', 'bed');
          if (channel === undefined || channel.finish_count < 2) return false;
          return (await look.marked('alarm', 'alarms', 'bed', 'ready', 'in_flight', 'deferred', 'dead')).length === 0;
        },
        lost: nothing('alarms', 'bed'),
      },
    ],
  },
  {
    id: 'replay',
    said: replay,
    topics: ['diary'],
    steps: [
      {
        acts: [run("curl -X POST 'localhost:4151/topic/create?topic=diary&retain=7d'")],
        met: async (look) => ((await look.topic('diary'))?.options.retain_ms ?? 0) > 0,
      },
      {
        acts: [
          mend(AWAY, async (look) => (await look.channel('diary', 'xiaoming')) !== undefined),
          run("for i in {1..3}; do curl -d \"Day $i\" 'localhost:4151/pub?topic=diary'; done"),
          run("curl 'localhost:4151/sub?topic=diary&channel=xiaohong&ack=auto&max=10'"),
        ],
        met: async (look) => {
          const channel = await look.channel('diary', 'xiaohong');
          const newcomer = await look.channel('diary', 'xiaoming');
          if (channel === undefined || channel.finish_count < 3 || channel.depth > 0 || newcomer !== undefined) return false;
          look.seen['read'] = String(look.now);
          return true;
        },
        lost: forgets,
      },
      {
        acts: [
          mend(AWAY, async (look) => (await look.channel('diary', 'xiaoming')) !== undefined),
          run("curl -X POST 'localhost:4151/channel/create?topic=diary&channel=xiaoming&start=earliest'"),
        ],
        // It has what was published before it came, too.
        met: async (look) => {
          const [topic, channel] = [await look.topic('diary'), await look.channel('diary', 'xiaoming')];
          return channel !== undefined && channel.message_count >= Math.max(3, topic?.message_count ?? 0);
        },
        lost: forgets,
      },
      {
        acts: [run("curl -X POST 'localhost:4151/channel/seek?topic=diary&channel=xiaohong&to=earliest'")],
        // More is there and finished than was ever published: some of it comes for the second time.
        met: async (look) => {
          const [topic, channel] = [await look.topic('diary'), await look.channel('diary', 'xiaohong')];
          if (topic === undefined || channel === undefined) return false;
          return channel.depth + channel.in_flight_count + channel.finish_count > topic.message_count;
        },
        lost: async (look) => (await forgets(look)) || ((await look.channel('diary', 'xiaohong'))?.finish_count ?? 0) === 0,
      },
    ],
  },
];
