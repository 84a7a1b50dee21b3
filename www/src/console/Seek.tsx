import { useState } from 'preact/hooks';

import { count, texts } from '../app/texts.js';
import type { ChannelStats } from '../broker/api.js';
import type { Session } from '../broker/session.js';
import { tell } from '../ui/toast.js';
import { FormDialog } from './FormDialog.js';
import style from './forms.module.css';
import { tryTo } from './may.js';

const t = texts(
  {
    title: (channel: string) => `Seek ${channel}`,
    text: 'The channel reads on from another place: messages that are kept are delivered again, or skipped.',
    takenBack: (inFlight: string, deferred: string) =>
      `Leases and delays end (${inFlight} in flight, ${deferred} deferred): what comes before the new place is not delivered any more, the rest at once.`,
    act: 'Seek',
    to: 'To',
    earliest: 'the earliest message that is kept',
    latest: 'the next message that will be published',
    id: 'a message',
    time: 'a time',
    idLabel: 'Id of the message',
    timeLabel: 'Time',
    done: 'The channel reads on from there.',
  },
  {
    title: (channel) => `重置 ${channel} 的消费位点`,
    text: '通道将从另一个位置继续消费：保留着的消息会重新投递，或被跳过。',
    takenBack: (inFlight, deferred) =>
      `现有的租约和延迟都会结束（处理中 ${inFlight} 条，延迟 ${deferred} 条）：新位置之前的不再投递，其余的立即可以投递。`,
    act: '重置',
    to: '重置到',
    earliest: '保留的最早一条消息',
    latest: '下一条将要发布的消息',
    id: '某条消息',
    time: '某个时间',
    idLabel: '消息 ID',
    timeLabel: '时间',
    done: '消费位点已重置。',
  },
);

type Place = 'earliest' | 'latest' | 'id' | 'time';

interface Props {
  session: Session;
  topic: string;
  channel: ChannelStats;
  onDone(): void;
  onClose(): void;
}

/** Asks from where a channel reads on. */
export function Seek({ session, topic, channel, onDone, onClose }: Props) {
  const { channel_name: name, in_flight_count: inFlight, deferred_count: deferred } = channel;
  const [place, setPlace] = useState<Place>('earliest');
  const [id, setId] = useState('');
  const [time, setTime] = useState('');
  const seek = async () => {
    const to = place === 'id' ? id.padStart(16, '0') : place === 'time' ? new Date(time).toISOString() : place;
    await tryTo('seek', topic, () => session.api.channel('seek', topic, name, { to }));
    tell(t().done);
    onDone();
  };
  const missing = (place === 'id' && id === '') || (place === 'time' && time === '');
  return (
    <FormDialog title={t().title(name)} act={t().act} danger={place === 'latest'} disabled={missing} onSubmit={seek} onClose={onClose}>
      <p>{t().text}</p>
      {inFlight + deferred > 0 && <p>{t().takenBack(count(inFlight), count(deferred))}</p>}
      <fieldset class={style['choices']}>
        <legend>{t().to}</legend>
        {(['earliest', 'latest', 'id', 'time'] as const).map((each) => (
          <label key={each}>
            <input type="radio" name="to" checked={place === each} onChange={() => setPlace(each)} />
            {t()[each]}
          </label>
        ))}
        {place === 'id' && (
          <input
            aria-label={t().idLabel}
            class="mono"
            maxLength={16}
            value={id}
            onInput={(event) => setId(event.currentTarget.value.trim())}
          />
        )}
        {place === 'time' && (
          <input
            aria-label={t().timeLabel}
            type="datetime-local"
            step={1}
            value={time}
            onInput={(event) => setTime(event.currentTarget.value)}
          />
        )}
      </fieldset>
    </FormDialog>
  );
}
