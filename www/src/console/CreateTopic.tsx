import { useState } from 'preact/hooks';

import { goFrom, route } from '../app/route.js';
import { texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { tell } from '../ui/toast.js';
import { Field, FormDialog } from './FormDialog.js';
import style from './forms.module.css';
import { tryTo } from './may.js';
import { words } from './words.js';

const t = texts(
  {
    topic: 'Create a topic',
    channel: (topic: string) => `Create a channel of ${topic}`,
    retain: 'Keep finished messages for',
    retainHint: 'Then a channel can start in the past. Empty: not at all.',
    start: 'It starts',
    backlog: 'as usual: the first channel takes the backlog',
    earliest: 'with the earliest message that is kept',
    latest: 'with the next message',
    done: (name: string) => `${name} is there.`,
  },
  {
    topic: '创建主题',
    channel: (topic) => `为 ${topic} 创建通道`,
    retain: '已完成的消息保留',
    retainHint: '这样通道可以从过去开始。留空则不保留。',
    start: '起点',
    backlog: '按惯例：第一个通道接收积压',
    earliest: '从保留的最早一条消息开始',
    latest: '从下一条消息开始',
    done: (name) => `${name} 已创建。`,
  },
);

const NAME = { required: true, maxLength: 64, pattern: '[.a-zA-Z0-9_\\-]+(#ephemeral)?', autoFocus: true, autoComplete: 'off', spellcheck: false };

export function CreateTopic({ session, onClose }: { session: Session; onClose(): void }) {
  const [name, setName] = useState('');
  const [retain, setRetain] = useState('');
  const create = async () => {
    const from = route.peek();
    await tryTo('create', '', () => session.api.topic('create', name, retain === '' ? {} : { retain }));
    tell(t().done(name));
    goFrom(from, 'topics', name);
  };
  return (
    <FormDialog title={t().topic} act={words().create} disabled={name === ''} onSubmit={create} onClose={onClose}>
      <Field label={words().name} hint={words().namesHint}>
        {(input) => <input {...input} {...NAME} value={name} onInput={(event) => setName(event.currentTarget.value)} />}
      </Field>
      <Field label={t().retain} hint={t().retainHint}>
        {(input) => <input {...input} placeholder="7d" value={retain} onInput={(event) => setRetain(event.currentTarget.value.trim())} />}
      </Field>
    </FormDialog>
  );
}

export function CreateChannel({ session, topic, onClose }: { session: Session; topic: string; onClose(): void }) {
  const [name, setName] = useState('');
  const [start, setStart] = useState('');
  const create = async () => {
    await tryTo('create', topic, () => session.api.channel('create', topic, name, start === '' ? {} : { start }));
    tell(t().done(name));
  };
  return (
    <FormDialog title={t().channel(topic)} act={words().create} disabled={name === ''} onSubmit={create} onClose={onClose}>
      <Field label={words().name} hint={words().namesHint}>
        {(input) => <input {...input} {...NAME} value={name} onInput={(event) => setName(event.currentTarget.value)} />}
      </Field>
      <fieldset class={style['choices']}>
        <legend>{t().start}</legend>
        {(['', 'earliest', 'latest'] as const).map((place) => (
          <label key={place}>
            <input type="radio" name="start" checked={start === place} onChange={() => setStart(place)} />
            {place === '' ? t().backlog : t()[place]}
          </label>
        ))}
      </fieldset>
    </FormDialog>
  );
}
