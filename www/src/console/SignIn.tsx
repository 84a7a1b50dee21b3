import { useRef, useState } from 'preact/hooks';

import { texts } from '../app/texts.js';
import { signIn, token, wantsToken } from '../broker/session.js';
import { Field, FormDialog } from './FormDialog.js';
import style from './Console.module.css';
import { refusals, type Kind } from './may.js';

const t = texts(
  {
    title: 'Sign in',
    text: 'This server wants a token. It is kept in this tab only.',
    again: 'The server did not take that token. Try another one.',
    token: 'Token',
    signIn: 'Sign in',
    out: 'You are not signed in.',
    another: 'Use another token',
    limited: (kinds: string) => `The server does not let this token ${kinds}.`,
    refused: (kind: string, topics: string) => (topics === '' ? kind : `${kind} (${topics})`),
    or: ' or ',
    kinds: {
      publish: 'publish',
      create: 'create',
      configure: 'change options',
      pause: 'pause',
      empty: 'empty',
      delete: 'delete',
      seek: 'seek',
      redrive: 'redrive',
      drop: 'drop dead letters',
    } as Record<Kind, string>,
  },
  {
    title: '登录',
    text: '此服务器需要令牌。令牌只保存在这个标签页里。',
    again: '服务器不接受该令牌，请换一个。',
    token: '令牌',
    signIn: '登录',
    out: '您尚未登录。',
    another: '换一个令牌',
    limited: (kinds) => `服务器不允许此令牌${kinds}。`,
    refused: (kind, topics) => (topics === '' ? kind : `${kind}（${topics}）`),
    or: '、',
    kinds: {
      publish: '发布',
      create: '创建',
      configure: '修改选项',
      pause: '暂停',
      empty: '清空',
      delete: '删除',
      seek: '重置位点',
      redrive: '重投',
      drop: '丢弃死信',
    },
  },
);

/** Asks for a token where the server wants one; says what a token may not do, once that is known. */
export function SignIn() {
  const [closed, setClosed] = useState(false);
  const [asked, setAsked] = useState(false);
  if (wantsToken.value || asked) {
    const close = (isGiven: boolean) => (setClosed(!isGiven), setAsked(false));
    if (!closed || asked) return <TokenDialog onClose={close} />;
    return (
      <p class={style['note']} role="status">
        {t().out}
        <button onClick={() => setClosed(false)}>{t().signIn}</button>
      </p>
    );
  }
  const refused = refusals();
  if (refused.length === 0) return null;
  const named = refused.map(({ kind, topics }) => t().refused(t().kinds[kind], topics.filter((topic) => topic !== '').join(', ')));
  return (
    <p class={style['note']} role="status">
      {t().limited(named.join(t().or))}
      <button onClick={() => setAsked(true)}>{t().another}</button>
    </p>
  );
}

function TokenDialog({ onClose }: { onClose(isGiven: boolean): void }) {
  const [given, setGiven] = useState('');
  const isGiven = useRef(false);
  const enter = async () => {
    isGiven.current = true;
    signIn(given.trim());
  };
  return (
    <FormDialog title={t().title} act={t().signIn} disabled={given.trim() === ''} onSubmit={enter} onClose={() => onClose(isGiven.current)}>
      <p>{token.value !== '' && wantsToken.value ? t().again : t().text}</p>
      <Field label={t().token}>
        {(input) => (
          <input
            {...input}
            type="password"
            autoComplete="current-password"
            autoFocus
            value={given}
            onInput={(event) => setGiven(event.currentTarget.value)}
          />
        )}
      </Field>
    </FormDialog>
  );
}
