import { useMemo, useState } from 'preact/hooks';

import { bytes, texts } from '../app/texts.js';
import type { Message } from '../broker/api.js';
import { copy } from '../ui/copy.js';
import { attempt } from '../ui/toast.js';
import { hexDump, prettyJson, type Body } from './body.js';
import own from './Messages.module.css';

const t = texts(
  {
    as: 'Shown as',
    json: 'JSON',
    text: 'Text',
    hex: 'Hex',
    copy: 'Copy',
    copied: 'Copied.',
    cut: (most: string, all: string) => `the first ${most} of ${all}`,
    id: 'Id',
    published: 'Published',
    key: 'Key',
    body: 'Body',
  },
  {
    as: '显示为',
    json: 'JSON',
    text: '文本',
    hex: '十六进制',
    copy: '复制',
    copied: '已复制。',
    cut: (most, all) => `${all} 中的前 ${most}`,
    id: 'ID',
    published: '发布时间',
    key: 'Key',
    body: '消息体',
  },
);

const HEX_MOST = 4_096;

type Form = 'json' | 'text' | 'hex';

/** All of a message: what is kept with it, and its body as JSON, text or bytes. */
export function MessageBody({ message, body }: { message: Message; body: Body }) {
  const json = useMemo(() => (body.text === undefined ? undefined : prettyJson(body.text)), [body]);
  const forms: Form[] = [...(json === undefined ? [] : ['json' as const]), ...(body.text === undefined ? [] : ['text' as const]), 'hex'];
  const [chosen, setChosen] = useState<Form>(forms[0]!);
  const form = forms.includes(chosen) ? chosen : forms[0]!;
  const shown = form === 'hex' ? hexDump(body.bytes, HEX_MOST) : ((form === 'json' ? json : body.text) ?? '');
  const isCut = form === 'hex' && body.bytes.length > HEX_MOST;
  const facts: [string, string][] = [
    [t().id, message.id],
    [t().published, new Date(message.timestamp / 1e6).toISOString()],
    ...(message.key === undefined ? [] : [[t().key, message.key] as [string, string]]),
    ...Object.entries(message.headers ?? {}),
  ];
  return (
    <div class={own['body']}>
      <dl class={own['headers']}>
        {facts.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} is`}>{value}</dd>])}
      </dl>
      <div class={own['bar']} role="group" aria-label={t().as}>
        {forms.map((each) => (
          <button key={each} aria-pressed={form === each} onClick={() => setChosen(each)}>
            {t()[each]}
          </button>
        ))}
        {isCut && <small class="soft">{t().cut(bytes(HEX_MOST), bytes(body.bytes.length))}</small>}
        <span />
        <button class="quiet" onClick={() => void attempt(() => copy(shown), t().copied)}>
          {t().copy}
        </button>
      </div>
      <pre class={`${own['text']} ${form === 'hex' ? own['hex'] : ''}`} tabIndex={0} role="region" aria-label={t().body}>
        {shown}
      </pre>
    </div>
  );
}
