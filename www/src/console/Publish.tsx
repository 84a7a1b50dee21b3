import { useState } from 'preact/hooks';

import { bytes, texts } from '../app/texts.js';
import { toHeader } from '../broker/headers.js';
import type { Session } from '../broker/session.js';
import { tell } from '../ui/toast.js';
import { isJson } from './body.js';
import { Editor } from './Editor.js';
import { Field, FormDialog } from './FormDialog.js';
import style from './forms.module.css';
import { tryTo } from './may.js';

const t = texts(
  {
    title: (topic: string) => `Publish to ${topic}`,
    act: 'Publish',
    body: 'Body',
    size: (size: string, isJson: boolean) => (isJson ? `${size}, JSON` : size),
    key: 'Key',
    keyHint: 'Ordered channels deliver the messages of a key one after another.',
    defer: 'Defer',
    deferHint: 'Not delivered before this long from now.',
    ttl: 'Time to live',
    ttlHint: 'Not delivered after this long.',
    dedup: 'Deduplicate by',
    dedupHint: 'The same key within 5 minutes is accepted once.',
    headers: 'Headers',
    more: 'Options and headers',
    header: 'Name of the header',
    value: 'Value of the header',
    add: 'Add a header',
    remove: 'Remove',
    headersHint: 'Kept with the message: Content-Type, traceparent, ce-*, Shelf-Meta-*.',
    done: (id: string) => `Published as ${id}.`,
    duplicate: (key: string) => `Not published again: ${key} was published before.`,
  },
  {
    title: (topic) => `发布到 ${topic}`,
    act: '发布',
    body: '消息体',
    size: (size, isJson) => (isJson ? `${size}，JSON` : size),
    key: 'Key',
    keyHint: '有序通道会逐条投递同一个 key 的消息。',
    defer: '延迟',
    deferHint: '在这段时间之内不会投递。',
    ttl: '有效期',
    ttlHint: '超过这段时间便不再投递。',
    dedup: '去重键',
    dedupHint: '5 分钟内同一个键只接受一次。',
    headers: '标头',
    more: '选项和标头',
    header: '标头名',
    value: '标头值',
    add: '添加标头',
    remove: '移除',
    headersHint: '随消息保存的有：Content-Type、traceparent、ce-*、Shelf-Meta-*。',
    done: (id) => `已发布，ID 为 ${id}。`,
    duplicate: (key) => `没有再次发布：${key} 之前已发布过。`,
  },
);

const KEPT = ['Content-Type', 'traceparent', 'tracestate', 'ce-id', 'ce-source', 'ce-type', 'ce-specversion', 'Shelf-Meta-'];

interface Props {
  session: Session;
  topic: string;
  onDone(): void;
  onClose(): void;
}

/** Publishes a message by hand. */
export function Publish({ session, topic, onDone, onClose }: Props) {
  const [body, setBody] = useState('');
  const [options, setOptions] = useState<Partial<Record<'key' | 'defer' | 'ttl' | 'dedup', string>>>({});
  const [headers, setHeaders] = useState<[string, string][]>([['', '']]);
  // Bytes, not text: a browser says text/plain of a text by itself, and that would be kept with the message.
  const packed = new TextEncoder().encode(body);
  const publish = async () => {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== ''));
    const kept = Object.fromEntries(headers.filter(([name]) => name.trim() !== '').map(([name, value]) => [name, toHeader(value)]));
    const { id, isDuplicate } = await tryTo('publish', topic, () => session.api.publish(topic, packed, { ...given, headers: kept }));
    tell(isDuplicate ? t().duplicate(options.dedup ?? '') : t().done(id));
    onDone();
  };
  const option = (name: keyof typeof options, label: string, hint: string, placeholder: string) => (
    <Field label={label} hint={hint}>
      {(input) => (
        <input
          {...input}
          placeholder={placeholder}
          value={options[name] ?? ''}
          onInput={(event) => setOptions({ ...options, [name]: event.currentTarget.value.trim() })}
        />
      )}
    </Field>
  );
  return (
    <FormDialog title={t().title(topic)} act={t().act} disabled={packed.length === 0} onSubmit={publish} onClose={onClose}>
      <div class={style['field']}>
        <span class={style['label']} aria-hidden="true">
          {t().body}
        </span>
        <Editor label={t().body} value={body} onChange={setBody} />
        <small class="soft">{t().size(bytes(packed.length), isJson(body))}</small>
      </div>
      <details>
        <summary>{t().more}</summary>
        <div class={style['form']}>
          <div class={style['pair']}>
            {option('key', t().key, t().keyHint, '')}
            {option('dedup', t().dedup, t().dedupHint, '')}
            {option('defer', t().defer, t().deferHint, '30s')}
            {option('ttl', t().ttl, t().ttlHint, '1h')}
          </div>
          <Headers headers={headers} onChange={setHeaders} />
        </div>
      </details>
    </FormDialog>
  );
}

function Headers({ headers, onChange }: { headers: [string, string][]; onChange(headers: [string, string][]): void }) {
  const set = (at: number, header: [string, string]) => onChange(headers.map((old, i) => (i === at ? header : old)));
  return (
    <fieldset class={`${style['choices']} ${style['headers']}`}>
      <legend class={style['label']}>{t().headers}</legend>
      <datalist id="kept-headers">
        {KEPT.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {headers.map(([name, value], i) => (
        <div key={i} class={style['header']}>
          <input
            aria-label={t().header}
            list="kept-headers"
            placeholder="Content-Type"
            value={name}
            onInput={(event) => set(i, [event.currentTarget.value, value])}
          />
          <input
            aria-label={t().value}
            placeholder="application/json"
            value={value}
            onInput={(event) => set(i, [name, event.currentTarget.value])}
          />
          <button type="button" class="quiet" aria-label={t().remove} onClick={() => onChange(headers.filter((_, at) => at !== i))}>
            ✕
          </button>
        </div>
      ))}
      <div>
        <button type="button" onClick={() => onChange([...headers, ['', '']])}>
          {t().add}
        </button>
      </div>
      <small class="soft">{t().headersHint}</small>
    </fieldset>
  );
}
