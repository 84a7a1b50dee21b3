// The four benefits of a message queue as scenes around a bookshelf, and one where it is the wrong tool.
import { texts } from '../app/texts.js';
import type { Lesson, Look, Said, Scene } from './lesson.js';

const decoupling = texts<Said>(
  {
    about:
      'Xiaohong used to ask Xiaoming when he had time, bring him the book and wait. Now she puts a book on the shelf every second, and he takes what is there. Each of them knows the shelf, and not the other.',
    steps: [
      {
        title: 'Xiaoming goes on a trip',
        text: 'Nobody reads now. Watch Xiaohong: she does not notice, she goes on. The books pile up on the shelf.',
        act: 'Xiaoming leaves',
      },
      {
        title: 'He comes home',
        text: 'He takes what has gathered, and keeps up from then on. Nothing was lost, and nobody had to call anybody.',
        act: 'Xiaoming comes home',
      },
    ],
    why: 'Either of them could be replaced, stopped or doubled without the other changing anything: it is easier to deal with a simple shelf than with people.',
  },
  {
    about: '以前小红要先问小明什么时候有空，把书送去，还得等着。现在她每秒往书架上放一本书，小明看到有书就取。他们眼里都只有书架，没有对方。',
    steps: [
      {
        title: '小明出门旅行',
        text: '现在没有人读书。看看小红：她毫无察觉，照样放书。书在书架上越积越多。',
        act: '小明出门',
      },
      { title: '小明回家', text: '他把攒下的书取走，然后跟上节奏。什么都没丢，谁也不用给谁打电话。', act: '小明回家' },
    ],
    why: '无论换掉、停下还是加倍其中一方，另一方都不用改：与一个简单的书架打交道，比与人打交道容易得多。',
  },
);

const speed = texts<Said>(
  {
    about: 'Xiaohong is busy: she has five minutes. Xiaoming needs two seconds for each book (they are thin). If she had to watch him read, she could bring two or three.',
    steps: [
      {
        title: 'Twenty books at once',
        text: 'One request, and she has her `OK`. She is already on her way, while he has hardly opened the first.',
        act: 'Xiaohong puts 20 books there',
      },
      {
        title: 'He reads them all',
        text: 'It takes him 40 seconds, which are his and not hers. Make time go faster if you do not want to watch.',
        act: 'Ten times as fast',
      },
    ],
    why: 'The one who asks waits only until the message is kept, not until the work is done. That is why a web page can answer at once and send the mail afterwards.',
  },
  {
    about: '小红很忙，只抽得出五分钟。小明读一本书要两秒（书很薄）。要是还得看着他读完，她只送得了两三本。',
    steps: [
      {
        title: '一下子放二十本',
        text: '一个请求，她就得到了 `OK`。她已经走在路上了，小明才刚翻开第一本。',
        act: '小红放 20 本书',
      },
      { title: '他全都读完', text: '他要读 40 秒，花的是他的时间，不是小红的。不想看着，就让时间快一点。', act: '十倍速' },
    ],
    why: '请求的一方只等到消息保存好，不必等到事情做完。所以网页可以立刻回应，邮件随后再发。',
  },
);

const broadcast = texts<Said>(
  {
    about: 'Every second Xiaohong puts a magazine on the shelf, and Xiaoming reads it. Now his friend Xiaoqiang would like to read them, too.',
    steps: [
      {
        title: 'Xiaoqiang joins',
        text: 'He gets a channel of his own. From now on each magazine is there twice, once for each. Xiaohong still puts each one there only once.',
        act: 'Xiaoqiang joins',
      },
    ],
    why: 'The work of publishing did not grow, and Xiaohong need not even know that there is one more. So another service can be added in the evening, without a word to the first.',
  },
  {
    about: '小红每秒往书架上放一本杂志，小明来读。现在小伙伴小强也想读。',
    steps: [
      {
        title: '小强加入',
        text: '他有了自己的通道。从此每本杂志都有两份，各人一份。小红仍旧只放一次。',
        act: '小强加入',
      },
    ],
    why: '发布的工作一点没多，小红甚至不必知道多了一个人。新服务可以随时接进来，原来的服务一个字都不用改。',
  },
);

const peak = texts<Said>(
  {
    about: 'Xiaoming reads slowly: one book in two seconds. On birthdays many books come in a short time, and then none for months.',
    steps: [
      {
        title: 'It is his birthday',
        text: 'Four books a second come in. He still has one book in his hands, never more. What he cannot read yet waits: the depth rises.',
        act: 'The guests arrive',
      },
      {
        title: 'The guests have gone',
        text: 'No more books come. He does not even notice: he goes on at his own pace, one book after another.',
        act: 'The guests leave',
      },
      {
        title: 'Quiet days',
        text: 'The pile shrinks until nothing is left. If you want to see the end sooner, let time go faster.',
        act: 'Ten times as fast',
      },
    ],
    why: 'The peak became a hill that is lower and longer. A consumer needs to be fast enough for the average, not for the worst minute. If the depth never falls, it is too slow for the average, too: then add another.',
  },
  {
    about: '小明读得慢：两秒一本。过生日时，书一下子来好多，之后几个月又一本都没有。',
    steps: [
      {
        title: '今天他过生日',
        text: '每秒来四本。他手里始终只有一本书，不会更多。还读不到的就等着：积压上升。',
        act: '客人来了',
      },
      { title: '客人走了', text: '不再有书来。他甚至没有察觉，照自己的速度一本接一本读下去。', act: '客人走了' },
      { title: '平静的日子', text: '书堆越来越小，直到一本不剩。想早点看到结局，就让时间快一点。', act: '十倍速' },
    ],
    why: '尖峰变成了又低又长的小坡。消费者只要跟得上平均量，不必跟得上最忙的那一分钟。如果积压一直不降，说明连平均量也跟不上：那就再加一个消费者。',
  },
);

const wrong = texts<Said>(
  {
    about: 'Mother wants to know from Xiaohong, right now: has Xiaoming read “Dune”? When she still stood beside him, she could tell. Now there is a shelf between them.',
    steps: [
      {
        title: 'Put it on the shelf, and ask',
        text: 'Xiaohong gets her `OK` at once. But it only says that the book is on the shelf. “Has he read it?” – “He will, I suppose …” Nothing on the shelf can answer mother now.',
        act: 'Xiaohong puts “Dune” there',
      },
      {
        title: 'Some time later',
        text: 'Xiaoming comes, and reads. Now it is true what mother has believed for a while. That is *eventual consistency*: fine for a reading list, not for “is there enough money in the account?”.',
        act: 'Xiaoming comes',
      },
    ],
    why: 'If you need the answer in order to go on, or if nobody may see the moment in between, call directly. And a shelf costs something, too: it needs a place, and somebody to look after it. Use one where decoupling, speed, broadcast or peak shaving are worth more than that.',
  },
  {
    about: '妈妈现在就要小红回答：小明读完《沙丘》了吗？以前她站在旁边看着，答得上来。现在中间隔着一个书架。',
    steps: [
      {
        title: '放上书架，再问',
        text: '小红立刻得到 `OK`，可它只说明书放在书架上了。“他读完了吗？”——“应该会很快看完吧……”此刻书架上没有什么能回答妈妈。',
        act: '小红放上《沙丘》',
      },
      {
        title: '过了一阵子',
        text: '小明来了，读完了。妈妈相信了一阵子的事，现在才成真。这就是*最终一致性*：对书单没问题，对“账户里的钱够不够”就不行。',
        act: '小明来了',
      },
    ],
    why: '如果必须拿到答案才能往下走，或者中间那一刻的不一致不能让人看到，那就直接调用。书架也有成本：要有地方放，还要有人照看。只有解耦、提速、广播、削峰的好处超过这些成本，才值得用它。',
  },
);

/** People stand in the channels that bear their names. */
const XIAOMING = 'xiaoming';
const XIAOQIANG = 'xiaoqiang';

/** Nobody publishes, or nobody reads, and no button brings them back. */
const silent = (topic: string) => async (look: Look) => look.writers(topic).length === 0;
const unread = (topic: string) => async (look: Look) => look.readers(topic).length === 0;

const faster: Scene = { act: (stage) => stage.cast.setSpeed(10), looks: true };

export const scenes: Lesson[] = [
  {
    id: 'decoupling',
    said: decoupling,
    topics: ['bookshelf'],
    async setup(stage) {
      await stage.enter(XIAOMING, 'fast');
      await stage.publishing(1);
    },
    steps: [
      {
        acts: [{ act: (stage) => stage.leave(XIAOMING) }],
        met: async (look) =>
          look.readers('bookshelf').length === 0 &&
          look.writers('bookshelf').length > 0 &&
          ((await look.channel('bookshelf', XIAOMING))?.depth ?? 0) >= 4,
        lost: silent('bookshelf'),
      },
      {
        acts: [{ act: (stage) => stage.enter(XIAOMING, 'fast') }],
        met: async (look) => {
          const channel = await look.channel('bookshelf', XIAOMING);
          return look.readers('bookshelf').length > 0 && channel !== undefined && channel.finish_count >= 4 && channel.depth <= 1;
        },
      },
    ],
  },
  {
    id: 'speed',
    said: speed,
    topics: ['novels'],
    setup: (stage) => stage.enter(XIAOMING, 'slow'),
    steps: [
      {
        acts: [{ act: (stage) => stage.pile(Array.from({ length: 20 }, (_, n) => `Book ${n + 1}`)) }],
        met: async (look) => ((await look.topic('novels'))?.message_count ?? 0) >= 20,
      },
      {
        acts: [faster],
        met: async (look) => ((await look.channel('novels', XIAOMING))?.finish_count ?? 0) >= 20,
        lost: unread('novels'),
      },
    ],
  },
  {
    id: 'broadcast',
    said: broadcast,
    topics: ['magazines'],
    async setup(stage) {
      await stage.enter(XIAOMING, 'fast');
      await stage.publishing(1);
    },
    steps: [
      {
        acts: [{ act: (stage) => stage.enter(XIAOQIANG, 'fast') }],
        met: async (look) => {
          const channels = (await look.topic('magazines'))?.channels ?? [];
          return channels.filter((channel) => channel.finish_count >= 3).length >= 2;
        },
        lost: silent('magazines'),
      },
    ],
  },
  {
    id: 'peak',
    said: peak,
    topics: ['presents'],
    setup: (stage) => stage.enter(XIAOMING, 'slow'),
    steps: [
      {
        acts: [{ act: (stage) => stage.publishing(4) }],
        met: async (look) => look.writers('presents').length > 0 && ((await look.channel('presents', XIAOMING))?.depth ?? 0) >= 8,
        lost: unread('presents'),
      },
      {
        acts: [{ act: (stage) => stage.quiet() }],
        met: async (look) => {
          const channel = await look.channel('presents', XIAOMING);
          return look.writers('presents').length === 0 && channel !== undefined && channel.message_count >= 8;
        },
      },
      {
        acts: [faster],
        met: async (look) => {
          const channel = await look.channel('presents', XIAOMING);
          return channel !== undefined && channel.message_count >= 8 && channel.depth + channel.in_flight_count === 0;
        },
        lost: unread('presents'),
      },
    ],
  },
  {
    id: 'wrong',
    said: wrong,
    topics: ['reading-list'],
    steps: [
      {
        acts: [{ act: (stage) => stage.pile(['Dune']) }],
        met: async (look) => ((await look.topic('reading-list'))?.message_count ?? 0) >= 1,
      },
      {
        acts: [{ act: (stage) => stage.enter(XIAOMING, 'slow') }],
        met: async (look) => ((await look.channel('reading-list', XIAOMING))?.finish_count ?? 0) >= 1,
      },
    ],
  },
];
