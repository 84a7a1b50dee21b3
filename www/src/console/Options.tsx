import { useState } from 'preact/hooks';

import { bytes, count, duration, texts } from '../app/texts.js';
import type { ChannelOptions, TopicOptions } from '../broker/api.js';
import type { Session } from '../broker/session.js';
import { tell } from '../ui/toast.js';
import { durationParam } from './body.js';
import style from './Console.module.css';
import { Field, FormDialog } from './FormDialog.js';
import { tryTo, whyNot } from './may.js';
import { words } from './words.js';

const t = texts(
  {
    title: (name: string) => `Options of ${name}`,
    retain: 'Keep finished messages for',
    retain_bytes: 'Keep finished messages up to',
    max_bytes: 'Backlog limit, bytes',
    max_messages: 'Backlog limit, messages',
    overflow: 'When it is full',
    reject: 'refuse publishes',
    drop_oldest: 'drop the oldest',
    timeout: 'Lease',
    brokers: 'the broker’s',
    zeroLease: '0: the broker’s; 500ms, 30s, 5m',
    max_attempts: 'Attempts until dead',
    max_in_flight: 'In flight at most',
    ordered: 'Ordered by key',
    dead_letter: 'Dead letters go to topic',
    stay: 'stay here',
    zero: '0: no limit',
    zeroKeep: 'Bytes; 0: not by size',
    zeroTime: '0: not at all; 30s, 2h, 7d',
    notKept: 'not kept',
    notBySize: 'not by size',
    stayHint: 'Empty: they stay with the channel.',
  },
  {
    title: (name) => `${name} 的选项`,
    retain: '已完成的消息保留时长',
    retain_bytes: '已完成的消息保留容量',
    max_bytes: '积压上限（字节）',
    max_messages: '积压上限（条）',
    overflow: '满了之后',
    reject: '拒绝发布',
    drop_oldest: '丢弃最旧的',
    timeout: '租约时长',
    brokers: '与服务器的设置相同',
    zeroLease: '0：与服务器的设置相同；500ms、30s、5m',
    max_attempts: '投递几次后成为死信',
    max_in_flight: '处理中上限',
    ordered: '按 key 有序',
    dead_letter: '死信转入主题',
    stay: '留在本通道',
    zero: '0：不限',
    zeroKeep: '字节；0：不按大小',
    zeroTime: '0：不保留；30s、2h、7d',
    notKept: '不保留',
    notBySize: '不按大小',
    stayHint: '留空则留在通道里。',
  },
);

interface Option {
  /** The parameter of the API. */
  name: string;
  label: string;
  hint?: string;
  /** As it is shown. */
  shown: string;
  /** As the API takes it. */
  value: string;
  /** What it can be, where that is little. */
  choices?: [value: string, label: string][];
  isNumber?: boolean;
}

function limit(n: number, format: (n: number) => string = count): string {
  return n === 0 ? words().noLimit : format(n);
}

export function topicOptions(options: TopicOptions): Option[] {
  const s = t();
  const number = { isNumber: true, hint: s.zero };
  const { retain_ms, retain_bytes, max_messages, max_bytes, overflow } = options;
  return [
    {
      name: 'retain',
      label: s.retain,
      hint: s.zeroTime,
      shown: retain_ms === 0 ? s.notKept : duration(retain_ms),
      value: durationParam(retain_ms),
    },
    {
      name: 'retain_bytes',
      label: s.retain_bytes,
      hint: s.zeroKeep,
      isNumber: true,
      shown: retain_bytes === 0 ? s.notBySize : bytes(retain_bytes),
      value: String(retain_bytes),
    },
    { name: 'max_messages', label: s.max_messages, ...number, shown: limit(max_messages), value: String(max_messages) },
    { name: 'max_bytes', label: s.max_bytes, ...number, shown: limit(max_bytes, bytes), value: String(max_bytes) },
    {
      name: 'overflow',
      label: s.overflow,
      shown: s[overflow],
      value: overflow,
      choices: [
        ['reject', s.reject],
        ['drop_oldest', s.drop_oldest],
      ],
    },
  ];
}

export function channelOptions(options: ChannelOptions): Option[] {
  const s = t();
  const number = { isNumber: true, hint: s.zero };
  const { yes, no } = words();
  const { timeout_ms, max_attempts, max_in_flight, ordered, dead_letter } = options;
  return [
    {
      name: 'timeout',
      label: s.timeout,
      hint: s.zeroLease,
      // A channel that has none of its own.
      shown: timeout_ms === 0 ? s.brokers : duration(timeout_ms),
      value: durationParam(timeout_ms),
    },
    { name: 'max_attempts', label: s.max_attempts, ...number, shown: limit(max_attempts), value: String(max_attempts) },
    { name: 'max_in_flight', label: s.max_in_flight, ...number, shown: limit(max_in_flight), value: String(max_in_flight) },
    {
      name: 'ordered',
      label: s.ordered,
      shown: ordered ? yes : no,
      value: String(ordered),
      choices: [
        ['false', no],
        ['true', yes],
      ],
    },
    { name: 'dead_letter', label: s.dead_letter, hint: s.stayHint, shown: dead_letter ?? s.stay, value: dead_letter ?? '' },
  ];
}

interface Props {
  session: Session;
  topic: string;
  /** The topic or the channel that has the options. */
  name: string;
  options: readonly Option[];
  /** Sets what has changed. */
  save(changed: Record<string, string>): Promise<unknown>;
}

/** The options of a topic or a channel, to be looked at and changed. */
export function Options({ session, topic, name, options, save }: Props) {
  const [editing, setEditing] = useState(false);
  const why = whyNot(session, 'configure', topic);
  return (
    <section class={`${style['section']} card`} aria-labelledby="options">
      <header class={style['sectionHead']}>
        <h2 id="options">{words().options}</h2>
        <button disabled={why !== undefined} title={why} onClick={() => setEditing(true)}>
          {words().edit}
        </button>
      </header>
      <dl class={style['list']}>
        {options.map(({ name, label, shown }) => (
          <div key={name}>
            <dt>{label}</dt>
            <dd>{shown}</dd>
          </div>
        ))}
      </dl>
      {editing && <OptionsDialog topic={topic} name={name} options={options} save={save} onClose={() => setEditing(false)} />}
    </section>
  );
}

interface DialogProps {
  topic: string;
  name: string;
  options: readonly Option[];
  save(changed: Record<string, string>): Promise<unknown>;
  onClose(): void;
}

function OptionsDialog({ topic, name, options, save, onClose }: DialogProps) {
  // What was there when the dialog was opened: what comes in meanwhile changes no field under somebody's hands.
  const [before] = useState(options);
  const [given, setGiven] = useState<Record<string, string>>({});
  const submit = async () => {
    const changed = Object.fromEntries(
      before.flatMap(({ name, value }) => {
        const now = given[name];
        return now === undefined || now === value ? [] : [[name, now]];
      }),
    );
    if (Object.keys(changed).length > 0) await tryTo('configure', topic, () => save(changed));
    tell(words().saved);
  };
  return (
    <FormDialog title={t().title(name)} act={words().save} onSubmit={submit} onClose={onClose}>
      {before.map((option) => {
        const value = given[option.name] ?? option.value;
        const set = (to: string) => setGiven((given) => ({ ...given, [option.name]: to }));
        return (
          <Field key={option.name} label={option.label} {...(option.hint === undefined ? {} : { hint: option.hint })}>
            {(input) =>
              option.choices ? (
                <select {...input} value={value} onChange={(event) => set(event.currentTarget.value)}>
                  {option.choices.map(([choice, label]) => (
                    <option key={choice} value={choice}>
                      {label}
                    </option>
                  ))}
                </select>
              ) : (
                <input
                  {...input}
                  inputMode={option.isNumber ? 'numeric' : 'text'}
                  value={value}
                  onInput={(event) => set(event.currentTarget.value.trim())}
                />
              )
            }
          </Field>
        );
      })}
    </FormDialog>
  );
}
