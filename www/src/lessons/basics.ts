// Lessons 1 to 3: how a message gets from one to another, and to how many.
import { texts } from '../app/texts.js';
import type { ChannelStats } from '../broker/api.js';
import { type Lesson, type Look, type Said, gone, mend, nothing, run } from './lesson.js';

const publish = texts<Said>(
  {
    about:
      'Xiaohong wants her brother Xiaoming to read. She puts books on a shelf; he takes them off when he has time. The shelf is a *topic*, she publishes, he subscribes.',
    steps: [
      {
        title: 'Publish a message',
        text: 'The body is the message. The topic `books` comes into being with it. The answer `OK` means: it is kept.',
        hint: 'Run the line as it is. If the answer is not `OK`, it says in a sentence what is wrong.',
      },
      {
        title: 'Receive it',
        text: 'Xiaoming reads through a *channel* of the topic. `ack=auto` says that a message is done as soon as it is handed out.',
        hint: 'The channel has to be called `xiaoming`.',
      },
      {
        title: 'Put three more there',
        text: 'One line of shell, three requests. The books now wait in the channel: nobody has asked for them yet.',
      },
      {
        title: 'Take them all at once',
        text: '`max=10` takes up to ten messages in one answer, which is JSON then.',
        hint: 'Until the channel has nothing ready, run the line again.',
      },
    ],
    why: 'Neither of them had to be there for the other. The broker kept each book from the moment it said `OK` until the channel was done with it.',
  },
  {
    about: '小红希望弟弟小明多读书。她把书放到书架上，小明有空就取下来看。书架就是一个*主题*：小红发布，小明订阅。',
    steps: [
      {
        title: '发布一条消息',
        text: '请求体就是消息。主题 `books` 随第一条消息自动创建。回答 `OK` 表示：消息已经保存好了。',
        hint: '原样运行这一行即可。如果回答不是 `OK`，它会用一句话说明问题在哪里。',
      },
      {
        title: '接收它',
        text: '小明通过主题的一个*通道*来读。`ack=auto` 表示消息一交出就算完成。',
        hint: '通道名必须是 `xiaoming`。',
      },
      {
        title: '再放三本',
        text: '一行 shell，三个请求。这些书现在在通道里等着：还没有人来取。',
      },
      {
        title: '一次全部取走',
        text: '`max=10` 让一次回答最多带十条消息，这时回答是 JSON。',
        hint: '只要通道里还有就绪的消息，就再运行一次。',
      },
    ],
    why: '两个人谁也不必等谁。从回答 `OK` 起，到通道处理完为止，每本书都由消息队列保管。',
  },
);

const copies = texts<Said>(
  {
    about: 'A topic hands a copy of each message to *every* channel. Within one channel, each message goes to only *one* of those who read.',
    steps: [
      {
        title: 'Two channels',
        text: 'Xiaoming and his friend Xiaoqiang both want everything on `songs`. So each gets a channel of his own.',
      },
      {
        title: 'Publish once',
        text: 'One song, one request. Look at the picture: both channels have it.',
      },
      {
        title: 'Each takes his copy',
        text: 'What one of them does with his copy does not touch the other’s.',
      },
      {
        title: 'Share the work of one channel',
        text: 'Two more songs, and two players that read from the *same* channel. `client` gives each a name. Each gets one of the songs, not both.',
        hint: 'Both lines read from the channel `xiaoming`, under different names, and within a minute: who has not asked for so long is not counted as a consumer any more. Then run all three lines again.',
      },
    ],
    why: 'Copies between channels, sharing within one: that is the whole model. More channels when somebody else wants the messages too; more consumers in a channel when the work is too much for one.',
  },
  {
    about: '主题会把每条消息给*每个*通道各复制一份。而在同一个通道里，每条消息只会交给*一个*读者。',
    steps: [
      { title: '两个通道', text: '小明和小伙伴小强都想收到 `songs` 的全部内容，所以各自有一个通道。' },
      { title: '只发布一次', text: '一首歌，一个请求。看看图：两个通道里都有了。' },
      { title: '各取各的', text: '一个人怎么处理自己那份，都不影响另一个人的。' },
      {
        title: '同一通道里分工',
        text: '再来两首歌，由两个播放器从*同一个*通道读。`client` 给它们各起一个名字。每个只拿到其中一首，不会都拿到。',
        hint: '两行都从通道 `xiaoming` 读，名字不同，而且相隔不到一分钟：太久没来取的，就不再算作消费者。那就把三行重新运行一遍。',
      },
    ],
    why: '通道之间是复制，通道之内是分担：整个模型就这么简单。别人也想要这些消息，就加通道；一个人忙不过来，就在通道里加消费者。',
  },
);

const backlog = texts<Said>(
  {
    about: 'What happens to messages that are published while there is no channel at all? They wait in the topic, and the first channel takes them over.',
    steps: [
      {
        title: 'Publish to nobody',
        text: 'Three letters, and no channel yet. They are the topic’s *backlog*.',
        hint: 'There must be no channel yet, not even by a `/sub`: it would take the letters over.',
      },
      {
        title: 'The first channel',
        text: 'It takes over all that has been waiting.',
        hint: 'A channel comes into being with `/channel/create`, or with the first `/sub`. It has to be called `first`, and to be the first one.',
      },
      {
        title: 'The second channel',
        text: 'It starts empty: old messages went to the first one. (A topic can keep old messages, if you ask it to: see “Read it again”.)',
      },
      { title: 'From now on, both', text: 'A new letter goes to both channels.' },
    ],
    why: 'A producer may start before its consumers without losing a thing. But a channel that comes later sees only what comes later: create all the channels you need before you publish.',
  },
  {
    about: '一个通道都没有的时候发布的消息会怎样？它们在主题里等着，由第一个通道接管。',
    steps: [
      {
        title: '发给还不存在的人',
        text: '三封信，还没有任何通道。它们就是主题的*积压*。',
        hint: '这时不能有任何通道，用 `/sub` 建的也不行：信会被它接管。',
      },
      {
        title: '第一个通道',
        text: '它接管所有等待着的消息。',
        hint: '通道用 `/channel/create` 创建，第一次 `/sub` 也会自动创建。它必须叫 `first`，而且必须是第一个。',
      },
      { title: '第二个通道', text: '它从空开始：旧消息归了第一个通道。（主题也可以保留旧消息，见“再读一遍”。）' },
      { title: '从此两个都有', text: '新来的信，两个通道各得一份。' },
    ],
    why: '生产者可以比消费者先启动，什么都不会丢。但后来的通道只看得到后来的消息：要用的通道，请在发布之前建好。',
  },
);

const DUNE = "curl -d 'Dune' 'localhost:4151/pub?topic=books'";

/** The channels of the two who listen to songs; there may be others. */
async function both(look: Look): Promise<ChannelStats[]> {
  const channels = (await look.topic('songs'))?.channels ?? [];
  return channels.filter((channel) => ['xiaoming', 'xiaoqiang'].includes(channel.channel_name));
}

export const basics: Lesson[] = [
  {
    id: 'publish',
    said: publish,
    topics: ['books'],
    steps: [
      {
        acts: [run(DUNE)],
        met: async (look) => ((await look.topic('books'))?.message_count ?? 0) >= 1,
      },
      {
        acts: [
          // What was there before him has gone to another channel.
          mend(DUNE, async (look) => {
            const topic = await look.topic('books');
            return topic !== undefined && topic.channels.length > 0 && (await look.left('books', 'xiaoming')) === 0;
          }),
          run("curl 'localhost:4151/sub?topic=books&channel=xiaoming&ack=auto'"),
        ],
        met: async (look) => ((await look.channel('books', 'xiaoming'))?.finish_count ?? 0) >= 1,
      },
      {
        acts: [run("for i in {1..3}; do curl -d \"Book $i\" 'localhost:4151/pub?topic=books'; done")],
        met: async (look) => ((await look.channel('books', 'xiaoming'))?.depth ?? 0) >= 3,
        lost: gone('books', 'xiaoming'),
      },
      {
        acts: [run("curl 'localhost:4151/sub?topic=books&channel=xiaoming&ack=auto&max=10'")],
        met: async (look) => {
          const channel = await look.channel('books', 'xiaoming');
          return channel !== undefined && channel.finish_count >= 4 && channel.depth === 0;
        },
        lost: nothing('books', 'xiaoming'),
      },
    ],
  },
  {
    id: 'copies',
    said: copies,
    topics: ['songs'],
    there: { topic: 'songs' },
    steps: [
      {
        acts: [
          run("curl -X POST 'localhost:4151/channel/create?topic=songs&channel=xiaoming'"),
          run("curl -X POST 'localhost:4151/channel/create?topic=songs&channel=xiaoqiang'"),
        ],
        met: async (look) => (await both(look)).length === 2,
      },
      {
        acts: [run("curl -d 'Jasmine Flower' 'localhost:4151/pub?topic=songs'")],
        met: async (look) => {
          const channels = await both(look);
          return channels.length === 2 && channels.every((channel) => channel.message_count >= 1);
        },
        lost: async (look) => (await both(look)).length < 2,
      },
      {
        acts: [
          run("curl 'localhost:4151/sub?topic=songs&channel=xiaoming&ack=auto'"),
          run("curl 'localhost:4151/sub?topic=songs&channel=xiaoqiang&ack=auto'"),
        ],
        met: async (look) => {
          const channels = await both(look);
          return channels.length === 2 && channels.every((channel) => channel.finish_count >= 1);
        },
        lost: async (look) => {
          const channels = await both(look);
          return channels.length < 2 || channels.some((one) => one.finish_count + one.depth + one.in_flight_count + one.deferred_count === 0);
        },
      },
      {
        acts: [
          run("for i in {1..2}; do curl -d \"Song $i\" 'localhost:4151/pub?topic=songs'; done"),
          run("curl 'localhost:4151/sub?topic=songs&channel=xiaoming&ack=auto&client=kitchen'"),
          run("curl 'localhost:4151/sub?topic=songs&channel=xiaoming&ack=auto&client=garden'"),
        ],
        met: async (look) => {
          const clients = (await look.channel('songs', 'xiaoming'))?.clients ?? [];
          return clients.filter((client) => client.client_id !== '' && client.message_count >= 1).length >= 2;
        },
      },
    ],
  },
  {
    id: 'backlog',
    said: backlog,
    topics: ['letters'],
    steps: [
      {
        acts: [run("for i in {1..3}; do curl -d \"Letter $i\" 'localhost:4151/pub?topic=letters'; done")],
        met: async (look) => ((await look.topic('letters'))?.depth ?? 0) >= 3,
        lost: async (look) => ((await look.topic('letters'))?.channels.length ?? 0) > 0,
      },
      {
        acts: [run("curl -X POST 'localhost:4151/channel/create?topic=letters&channel=first'")],
        met: async (look) => ((await look.channel('letters', 'first'))?.message_count ?? 0) >= 3,
        // Another channel has taken them over.
        lost: async (look) => ((await look.topic('letters'))?.channels.length ?? 0) > 0,
      },
      {
        acts: [run("curl -X POST 'localhost:4151/channel/create?topic=letters&channel=second'")],
        met: async (look) => {
          const [first, second] = [await look.channel('letters', 'first'), await look.channel('letters', 'second')];
          return first !== undefined && second !== undefined && second.message_count < first.message_count;
        },
        lost: gone('letters', 'first'),
      },
      {
        acts: [run("curl -d 'A new letter' 'localhost:4151/pub?topic=letters'")],
        met: async (look) => ((await look.channel('letters', 'second'))?.message_count ?? 0) >= 1,
        lost: gone('letters', 'second'),
      },
    ],
  },
];
