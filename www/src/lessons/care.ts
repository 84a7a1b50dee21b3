// Lessons 4 to 6 and 10: what becomes of a message between being handed out and being finished.
import { texts } from '../app/texts.js';
import { type Lesson, type Look, type Said, again, look, mend, nothing, run, seconds } from './lesson.js';

const lease = texts<Said>(
  {
    about:
      'Whoever receives a message only *leases* it. It is gone when they say that they are finished. If they never say so, somebody else gets it.',
    steps: [
      {
        title: 'A channel with short leases',
        text: 'A lease lasts 60 s if nobody says otherwise. Here it is 30 s, so that we need not wait long.',
      },
      {
        title: 'Take the job',
        text: '`-i` shows the headers of the answer. `Shelf-Receipt` belongs to this one delivery: you will need it.',
      },
      {
        title: 'Forget about it',
        text: 'Do nothing. The countdown in the picture runs out, and the message is ready again. (Let time pass here if you like.)',
        hint: 'Time has to go on: look whether it is paused.',
      },
      { title: 'Take it again', text: '`Shelf-Attempts` now says 2, and the receipt is another one.' },
      {
        title: 'Finish it',
        text: 'Say that you are done, with the new receipt. The pot is clean, and the message is gone.',
        hint: 'If the answer is `FIN_FAILED`, the message has been handed out again since: receive it, and use its new receipt.',
      },
    ],
    why: 'A consumer that crashes loses nothing: its lease runs out, and the message goes to the next. The price is that a message may come twice, so make your work safe to repeat. (A late finish counts, too, as long as nobody else has received the message since.)',
  },
  {
    about: '收到消息的人只是得到一份*租约*。他说完成了，消息才消失；一直不说，消息就会交给别人。',
    steps: [
      { title: '租约短一点的通道', text: '不另说明时租约为 60 秒。这里用 30 秒，免得久等。' },
      { title: '领下这件事', text: '`-i` 会显示回答的头部。`Shelf-Receipt` 只属于这一次投递，待会儿要用。' },
      {
        title: '把它忘了',
        text: '什么都不做。图里的倒计时走完，消息又变为就绪。（也可以在这里让时间快进。）',
        hint: '时间必须在走：看看是不是暂停了。',
      },
      { title: '再领一次', text: '`Shelf-Attempts` 现在是 2，凭据也换了一个。' },
      {
        title: '完成它',
        text: '用新的凭据说一声做完了。锅洗干净了，消息也就没了。',
        hint: '如果回答是 `FIN_FAILED`，说明消息后来又交出去过：重新接收，用新的凭据。',
      },
    ],
    why: '消费者崩溃了也不会丢消息：租约到期，消息就交给下一个。代价是同一条消息可能来两次，所以处理要能安全地重复。（晚到的完成也算数，只要之后没有别人收到过这条消息。）',
  },
);

const requeue = texts<Said>(
  {
    about: 'Sometimes the work cannot be done: the line is busy. Then give the message back, at once or for later. The broker counts the *attempts*.',
    steps: [
      { title: 'Take a call', text: 'Publish one, and receive it. It is leased, and attempt 1.' },
      {
        title: 'Give it back',
        text: '`/req` puts it back into the queue. Nobody has to wait for the lease to end.',
        hint: 'If the answer is `REQ_FAILED`, the lease has run out: receive the message once more, then give it back.',
      },
      { title: 'And again', text: 'Receive it once more: `Shelf-Attempts: 2`.' },
      {
        title: 'Give it back for later',
        text: 'With `defer=1m` it is not handed out again for a minute. So a service that is down is not called a thousand times.',
        hint: 'If the answer is `REQ_FAILED`, the lease has run out: receive the message once more, then give it back.',
      },
      {
        title: 'When its time has come',
        text: 'Let the minute pass, and the third attempt works.',
        hint: 'Until the delay is over nothing is ready, and `/sub` gets nothing: let more time pass if you have said a longer one.',
      },
    ],
    why: 'Giving back early is polite; giving back with a delay is wise. Longer delays with each attempt (10 s, 1 m, 10 m …) are called backoff: `Shelf-Attempts` tells you which one is due.',
  },
  {
    about: '有时事情暂时办不成，比如电话占线。那就把消息退回去，马上再来，或者晚点再来。*投递次数*由消息队列来数。',
    steps: [
      { title: '接一个电话任务', text: '先发布，再接收。它有了租约，这是第 1 次投递。' },
      { title: '退回去', text: '`/req` 让它重新排队，不必等租约到期。', hint: '如果回答是 `REQ_FAILED`，说明租约已到期：再接收一次，然后退回。' },
      { title: '再来一次', text: '再接收一次：`Shelf-Attempts: 2`。' },
      {
        title: '退回去，晚点再说',
        text: '加上 `defer=1m`，一分钟内不会再交出。这样，对方服务挂了也不会被反复打扰上千次。',
        hint: '如果回答是 `REQ_FAILED`，说明租约已到期：再接收一次，然后退回。',
      },
      {
        title: '时候到了',
        text: '等这一分钟过去，第三次就成功了。',
        hint: '延迟没到之前没有就绪的消息，`/sub` 什么也拿不到：如果你设的延迟更长，就多等一会儿。',
      },
    ],
    why: '早点退回是礼貌，延迟退回是智慧。每次失败都等得更久（10 秒、1 分、10 分……）叫作退避：看 `Shelf-Attempts` 就知道该等多久。',
  },
);

const dead = texts<Said>(
  {
    about: 'A message that fails every time would go round forever. After so many attempts it is put aside as a *dead letter*, where you can look at it.',
    steps: [
      { title: 'Two attempts, no more', text: 'The channel `billing` gives up after two attempts. Then an order comes in.' },
      {
        title: 'Fail twice',
        text: 'Receive it and give it back, two times. After the second it is not ready any more: it is dead.',
        hint: 'Each delivery has its own receipt: the second `/req` needs the second one.',
      },
      {
        title: 'Look, repair, redrive',
        text: '`/dead` shows what lies there. Say you have repaired billing: *redrive* puts the order back, with its attempts at 0.',
      },
      { title: 'This time it works', text: 'Receive it, and it is done.' },
    ],
    why: 'One bad message cannot stop the good ones, and it is not lost: it waits, with all it had, until a person has looked.',
  },
  {
    about: '每次都失败的消息会没完没了地转圈。到了次数上限，它就被放到一边，成为*死信*，等人来看。',
    steps: [
      { title: '最多两次', text: '通道 `billing` 试两次就放弃。然后来了一张订单。' },
      {
        title: '失败两次',
        text: '接收，退回，做两遍。第二次之后它不再就绪：成了死信。',
        hint: '每次投递都有自己的凭据：第二个 `/req` 要用第二个凭据。',
      },
      { title: '查看，修好，重投', text: '`/dead` 列出死信。假设你修好了账单系统：*重投*会把订单放回队列，投递次数归零。' },
      { title: '这次行了', text: '接收它，就完成了。' },
    ],
    why: '一条坏消息挡不住好消息，而且它没有丢：它原原本本地等着，直到有人来看过。',
  },
);

const touch = texts<Said>(
  {
    about: 'A lease should be short, so that a crash is noticed soon. But what if the work takes longer? Then say from time to time: I am still at it.',
    steps: [
      { title: 'Begin', text: 'The channel `studio` leases for 30 s. Rendering the film takes longer.' },
      {
        title: 'I am still at it',
        text: '`/touch` makes the lease last longer: from now, as long as the channel says, or as long as you say. Here, five minutes.',
        hint: 'If the answer is `TOUCH_FAILED`, the lease has run out and the message is ready again: receive it again.',
      },
      {
        title: 'Work',
        text: 'Two minutes pass. Without the touch, somebody else would have begun the same film by now.',
        hint: 'If the lease has run out in the meantime, receive the message once more and touch it again.',
      },
      { title: 'Done', text: 'Finish with the same receipt: it is still the same delivery.' },
    ],
    why: 'Short leases and touches find a crash within seconds and still allow work of many minutes. No lease can be extended beyond 15 minutes from its delivery: who needs longer has to cut the job into pieces.',
  },
  {
    about: '租约应该短，这样崩溃能很快发现。可要是活本来就长呢？那就时不时说一声：我还在做。',
    steps: [
      { title: '开始', text: '通道 `studio` 的租约是 30 秒。渲染一部电影可不止这点时间。' },
      {
        title: '我还在做',
        text: '`/touch` 给租约续期：从现在算起，按通道的时长，或者按你说的时长。这里是五分钟。',
        hint: '如果回答是 `TOUCH_FAILED`，说明租约已到期，消息又就绪了：重新接收一次。',
      },
      {
        title: '干活',
        text: '两分钟过去。要是没有续期，这会儿别人已经开始做同一部电影了。',
        hint: '如果租约在此期间到期了，就再接收一次，再续一次期。',
      },
      { title: '完成', text: '用同一个凭据完成：这仍是同一次投递。' },
    ],
    why: '短租约加续期，几秒钟就能发现崩溃，又允许干上好多分钟。从投递算起，租约最多延到 15 分钟：更长的活，请拆成几段。',
  },
);

/** No order is dead yet. */
const alive = async (look: Look): Promise<boolean> => ((await look.channel('orders', 'billing'))?.dead_count ?? 0) === 0;

/** How an order fails, until it is dead. */
const fail = {
  receive: {
    ...run("curl -i 'localhost:4151/sub?topic=orders&channel=billing'"),
    needed: async (look: Look) => (await alive(look)) && !(await look.holds('orders', 'billing')),
  },
  giveBack: { ...run("curl -X POST 'localhost:4151/req?topic=orders&channel=billing&receipt=RECEIPT'"), needed: alive },
};

export const care: Lesson[] = [
  {
    id: 'lease',
    said: lease,
    topics: ['chores'],
    there: { topic: 'chores' },
    steps: [
      {
        acts: [
          run("curl -X POST 'localhost:4151/channel/create?topic=chores&channel=kitchen&timeout=30s'"),
          run("curl -d 'Wash the pot' 'localhost:4151/pub?topic=chores'"),
        ],
        met: async (look) => {
          const channel = await look.channel('chores', 'kitchen');
          return channel !== undefined && channel.options.timeout_ms === 30_000 && channel.message_count >= 1;
        },
      },
      {
        acts: [run("curl -i 'localhost:4151/sub?topic=chores&channel=kitchen'")],
        met: async (look) => ((await look.channel('chores', 'kitchen'))?.in_flight_count ?? 0) >= 1,
        lost: nothing('chores', 'kitchen'),
      },
      {
        acts: [
          mend("curl -i 'localhost:4151/sub?topic=chores&channel=kitchen'", async (look) => {
            const channel = await look.channel('chores', 'kitchen');
            return channel !== undefined && channel.depth > 0 && channel.in_flight_count + channel.timeout_count === 0;
          }),
          seconds(30),
        ],
        met: async (look) => ((await look.channel('chores', 'kitchen'))?.timeout_count ?? 0) >= 1,
        lost: nothing('chores', 'kitchen'),
      },
      {
        acts: [run("curl -i 'localhost:4151/sub?topic=chores&channel=kitchen'")],
        met: async (look) => {
          const taken = (await look.messages('chores', 'kitchen', 'in_flight')).filter((message) => message.attempts >= 2);
          look.mark('taken again', taken);
          return taken.length > 0;
        },
        lost: nothing('chores', 'kitchen'),
      },
      {
        acts: [...again('chores', 'kitchen'), run("curl -X POST 'localhost:4151/fin?topic=chores&channel=kitchen&receipt=RECEIPT'")],
        met: async (look) =>
          ((await look.channel('chores', 'kitchen'))?.finish_count ?? 0) >= 1 &&
          (await look.marked('taken again', 'chores', 'kitchen', 'ready', 'in_flight', 'deferred', 'dead')).length === 0,
        lost: nothing('chores', 'kitchen'),
      },
    ],
  },
  {
    id: 'requeue',
    said: requeue,
    topics: ['calls'],
    steps: [
      {
        acts: [
          run("curl -d 'Call grandma' 'localhost:4151/pub?topic=calls'"),
          run("curl -i 'localhost:4151/sub?topic=calls&channel=phone'"),
        ],
        met: async (look) => ((await look.channel('calls', 'phone'))?.in_flight_count ?? 0) >= 1,
      },
      {
        acts: [...again('calls', 'phone'), run("curl -X POST 'localhost:4151/req?topic=calls&channel=phone&receipt=RECEIPT'")],
        met: async (look) => ((await look.channel('calls', 'phone'))?.requeue_count ?? 0) >= 1,
        lost: nothing('calls', 'phone'),
      },
      {
        acts: [run("curl -i 'localhost:4151/sub?topic=calls&channel=phone'")],
        met: async (look) => (await look.messages('calls', 'phone', 'in_flight')).some((message) => message.attempts >= 2),
        lost: nothing('calls', 'phone'),
      },
      {
        acts: [...again('calls', 'phone'), run("curl -X POST 'localhost:4151/req?topic=calls&channel=phone&receipt=RECEIPT&defer=1m'")],
        met: async (look) => {
          // What was published with a delay has no attempts yet.
          const given = (await look.messages('calls', 'phone', 'deferred')).filter((message) => message.attempts >= 1);
          look.mark('given back', given);
          return given.length > 0;
        },
        lost: nothing('calls', 'phone'),
      },
      {
        acts: [seconds(60), run("curl -i 'localhost:4151/sub?topic=calls&channel=phone&ack=auto'")],
        met: async (look) =>
          ((await look.channel('calls', 'phone'))?.finish_count ?? 0) >= 1 &&
          (await look.marked('given back', 'calls', 'phone', 'ready', 'in_flight', 'deferred', 'dead')).length === 0,
        lost: nothing('calls', 'phone'),
      },
    ],
  },
  {
    id: 'dead',
    said: dead,
    topics: ['orders'],
    there: { topic: 'orders' },
    steps: [
      {
        acts: [
          run("curl -X POST 'localhost:4151/channel/create?topic=orders&channel=billing&max_attempts=2'"),
          run("curl -d 'Order 7' 'localhost:4151/pub?topic=orders'"),
        ],
        met: async (look) => {
          const channel = await look.channel('orders', 'billing');
          return channel !== undefined && channel.options.max_attempts === 2 && channel.message_count >= 1;
        },
      },
      {
        acts: [fail.receive, fail.giveBack, fail.receive, fail.giveBack],
        met: async (look) => {
          const dead = await look.messages('orders', 'billing', 'dead');
          look.mark('dead', dead);
          return dead.length > 0;
        },
        lost: nothing('orders', 'billing'),
      },
      {
        acts: [
          look("curl 'localhost:4151/dead?topic=orders&channel=billing'"),
          run("curl -X POST 'localhost:4151/channel/redrive?topic=orders&channel=billing'"),
        ],
        met: async (look) => {
          const channel = await look.channel('orders', 'billing');
          if (channel === undefined || channel.dead_count > 0) return false;
          if ((await look.marked('dead', 'orders', 'billing', 'ready', 'in_flight', 'deferred')).length > 0) return true;
          // It may be finished already: then all that came is there or finished, and nothing was thrown away.
          const rest = channel.depth + channel.in_flight_count + channel.deferred_count + channel.finish_count;
          return channel.finish_count >= 1 && rest >= channel.message_count;
        },
        lost: async (look) => (await look.marked('dead', 'orders', 'billing', 'dead')).length === 0,
      },
      {
        acts: [run("curl 'localhost:4151/sub?topic=orders&channel=billing&ack=auto'")],
        met: async (look) =>
          ((await look.channel('orders', 'billing'))?.finish_count ?? 0) >= 1 &&
          (await look.marked('dead', 'orders', 'billing', 'ready', 'in_flight', 'deferred', 'dead')).length === 0,
        lost: async (look) => (await look.marked('dead', 'orders', 'billing', 'ready', 'in_flight', 'deferred')).length === 0,
      },
    ],
  },
];

const KEEP = "curl -X POST 'localhost:4151/touch?topic=films&channel=studio&receipt=RECEIPT&timeout=5m'";

/** Milliseconds for which the film has been leased since it was touched. */
const held = (look: Look): number => look.now - Number(look.seen['touched'] || look.now);

export const longJob: Lesson = {
  id: 'touch',
  said: touch,
  topics: ['films'],
  there: { topic: 'films' },
  steps: [
    {
      acts: [
        run("curl -X POST 'localhost:4151/channel/create?topic=films&channel=studio&timeout=30s'"),
        run("curl -d 'Render the film' 'localhost:4151/pub?topic=films'"),
        run("curl -i 'localhost:4151/sub?topic=films&channel=studio'"),
      ],
      met: async (look) => {
        const channel = await look.channel('films', 'studio');
        if (channel?.options.timeout_ms !== 30_000) return false;
        // A longer lease would not need to be touched.
        const taken = await look.messages('films', 'studio', 'in_flight');
        return taken.some(({ until }) => until !== undefined && until / 1e6 - look.now <= 30_000);
      },
    },
    {
      acts: [...again('films', 'studio'), run(KEEP)],
      met: async (look) => {
        if (((await look.lease('films', 'studio')) ?? 0) <= 120_000) return false;
        look.seen['touched'] = String(look.now);
        return true;
      },
      lost: nothing('films', 'studio'),
    },
    {
      acts: [...again('films', 'studio'), mend(KEEP, async (look) => ((await look.lease('films', 'studio')) ?? 0) < 120_000 - held(look)), seconds(120)],
      met: async (look) => {
        // A lease that ended counts for nothing: the next one has to last as long.
        if ((await look.lease('films', 'studio')) === undefined) look.seen['touched'] = '';
        else look.seen['touched'] ||= String(look.now);
        look.mark('film', await look.messages('films', 'studio', 'in_flight'));
        return held(look) >= 120_000;
      },
      lost: nothing('films', 'studio'),
    },
    {
      acts: [...again('films', 'studio'), run("curl -X POST 'localhost:4151/fin?topic=films&channel=studio&receipt=RECEIPT'")],
      met: async (look) =>
        ((await look.channel('films', 'studio'))?.finish_count ?? 0) >= 1 &&
        (await look.marked('film', 'films', 'studio', 'ready', 'in_flight', 'deferred', 'dead')).length === 0,
      lost: nothing('films', 'studio'),
    },
  ],
};
