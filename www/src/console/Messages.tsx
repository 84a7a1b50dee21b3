import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { bytes, count, duration, language, texts } from '../app/texts.js';
import type { Message, Messages as Page } from '../broker/api.js';
import { wantsToken, type Session } from '../broker/session.js';
import { bodyOf, preview } from './body.js';
import style from './Console.module.css';
import { MessageBody } from './MessageBody.js';
import own from './Messages.module.css';
import { Problem } from './Problem.js';
import { Scroll } from './Scroll.js';
import { words } from './words.js';

const t = texts(
  {
    none: 'No messages here.',
    id: 'Id',
    attempts: 'Attempts',
    published: 'Published',
    until: 'Until',
    in: (time: string) => `in ${time}`,
    now: 'now',
    key: 'Key',
    size: 'Size',
    body: 'Body',
    first: 'First page',
    more: 'Next page',
    refresh: 'Refresh',
    notRecorded: '(not recorded)',
    held: 'The list stands still while a message is open.',
    heavy: 'These messages are large: the list stands still until it is refreshed.',
    redrive: 'Redrive',
    pages: 'Pages',
  },
  {
    none: '这里没有消息。',
    id: 'ID',
    attempts: '投递次数',
    published: '发布时间',
    until: '到期',
    in: (time) => `${time} 后`,
    now: '现在',
    key: 'Key',
    size: '大小',
    body: '消息体',
    first: '第一页',
    more: '下一页',
    refresh: '刷新',
    notRecorded: '（未录下）',
    held: '展开消息时列表不会变动。',
    heavy: '这些消息较大：列表不会自动刷新。',
    redrive: '重投',
    pages: '翻页',
  },
);

const PAGE = 50;
/** So many characters of bodies are not asked for again and again. */
const HEAVY = 1 << 20;
/** What went wrong is tried again after so long, ms. */
const RETRY = 2_000;

interface Props {
  session: Session;
  label: string;
  /** Looks at messages from an id on. */
  peek(max: number, from?: string): Promise<Page>;
  /** Not where messages belong to no channel: there, nobody attempts anything. */
  hasAttempts?: boolean;
  /** Another one means that there may be other messages. */
  version: string;
  /** Puts a dead letter back; where messages here are dead. */
  onRedrive?: ((id: string) => Promise<unknown>) | undefined;
  /** Why that cannot be done. */
  whyNot?: string | undefined;
}

/** Messages, a page of them at a time, looked at without leasing. */
export function Messages({ session, label, peek, hasAttempts = true, version, onRedrive, whyNot }: Props) {
  const [from, setFrom] = useState<string>();
  const [open, setOpen] = useState<string>();
  const { page, wrong, look, isOpen, isHeavy } = useMessages(session, peek, version, from, open);
  if (!page) return wrong === undefined ? <p class="soft">{words().loading}</p> : <Problem error={wrong} />;
  const { messages: shown, next } = page;
  const hasPages = from !== undefined || next !== undefined;
  const hasUntil = shown.some(({ until }) => until !== undefined);
  const go = (to: string | undefined) => (setOpen(undefined), setFrom(to));
  const redrive = onRedrive && (async (id: string) => (await onRedrive(id), setOpen(undefined), look()));
  return (
    <>
      <Problem error={wrong} />
      {shown.length === 0 ? (
        <p class="soft">{t().none}</p>
      ) : (
        <Scroll label={label}>
          <table aria-label={label} class={own['messages']}>
            <Head hasAttempts={hasAttempts} hasUntil={hasUntil} hasRedrive={redrive !== undefined} />
            {shown.map((message) => (
              <Row
                key={message.id}
                session={session}
                message={message}
                hasAttempts={hasAttempts}
                hasUntil={hasUntil}
                isOpen={open === message.id}
                onToggle={() => setOpen(open === message.id ? undefined : message.id)}
                onRedrive={redrive}
                whyNot={whyNot}
              />
            ))}
          </table>
        </Scroll>
      )}
      <nav class={style['pages']} aria-label={t().pages}>
        {hasPages && (
          <>
            <button disabled={from === undefined} onClick={() => go(undefined)}>
              {t().first}
            </button>
            <button disabled={next === undefined} onClick={() => go(next)}>
              {t().more}
            </button>
          </>
        )}
        <button class="quiet" onClick={look}>
          {t().refresh}
        </button>
        {(isOpen || isHeavy) && <small class="soft">{isOpen ? t().held : t().heavy}</small>}
      </nav>
    </>
  );
}

/**
 * A page of messages. They are looked at again where there may be others: but not while one is open, and not by itself
 * where they are large.
 */
function useMessages(session: Session, peek: Props['peek'], version: string, from: string | undefined, open: string | undefined) {
  const [page, setPage] = useState<Page>();
  const messages = page?.messages;
  const [wrong, setWrong] = useState<unknown>();
  const asked = useRef(0);
  const looked = useRef('');
  const look = async () => {
    asked.current += 1;
    looked.current = version;
    const mine = asked.current;
    try {
      const found = await peek(PAGE, from);
      if (mine !== asked.current) return;
      setPage(found);
      setWrong(undefined);
    } catch (why) {
      if (mine === asked.current) setWrong(why);
    }
  };
  const isOpen = open !== undefined && messages?.some(({ id }) => id === open) === true;
  const size = (sum: number, { body, body_base64 }: Message) => sum + (body ?? body_base64 ?? '').length;
  const isHeavy = useMemo(() => (messages ?? []).reduce(size, 0) > HEAVY, [messages]);
  useEffect(() => void look(), [from]);
  useEffect(() => {
    if (messages && !isOpen && !isHeavy && looked.current !== version) void look();
  }, [version, isOpen, messages]);
  const again = useRef(look);
  again.current = look;
  // A lease that has run out was taken again, or lasts longer, which no count tells.
  const isOver = messages?.some(({ until }) => until !== undefined && until / 1e6 < session.now()) === true;
  const isOld = wrong !== undefined || (isOver && !isOpen && !isHeavy);
  useEffect(() => {
    if (!isOld) return;
    const timer = setInterval(() => {
      if (document.visibilityState !== 'hidden' && !wantsToken.peek()) void again.current();
    }, RETRY);
    return () => clearInterval(timer);
  }, [isOld]);
  return { page, wrong, look, isOpen, isHeavy };
}

function Head({ hasAttempts, hasUntil, hasRedrive }: { hasAttempts: boolean; hasUntil: boolean; hasRedrive: boolean }) {
  return (
    <thead>
      <tr>
        <th scope="col">{t().id}</th>
        {hasAttempts && <th scope="col" class="number">{t().attempts}</th>}
        <th scope="col">{t().published}</th>
        {hasUntil && <th scope="col">{t().until}</th>}
        <th scope="col" class={own['minor']}>{t().key}</th>
        <th scope="col" class={`number ${own['minor']}`}>{t().size}</th>
        <th scope="col" class={own['preview']}>{t().body}</th>
        {hasRedrive && <th scope="col"><span class="sr-only">{t().redrive}</span></th>}
      </tr>
    </thead>
  );
}

interface RowProps {
  session: Session;
  message: Message;
  hasAttempts: boolean;
  hasUntil: boolean;
  isOpen: boolean;
  onToggle(): void;
  onRedrive: ((id: string) => Promise<unknown>) | undefined;
  whyNot: string | undefined;
}

function Row({ session, message, hasAttempts, hasUntil, isOpen, onToggle, onRedrive, whyNot }: RowProps) {
  const body = bodyOf(message);
  const left = message.until === undefined ? undefined : message.until / 1e6 - session.now();
  return (
    <tbody>
      <tr>
        <th scope="row">
          <button class={own['id']} aria-expanded={isOpen} disabled={message.absent} onClick={onToggle}>
            <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span>
            {shortId(message.id)}
          </button>
        </th>
        {hasAttempts && <td class="number">{count(message.attempts)}</td>}
        <td class={own['time']}>{message.absent ? '' : clock(message.timestamp / 1e6)}</td>
        {hasUntil && <td class={own['time']}>{left === undefined ? '' : left <= 0 ? t().now : t().in(duration(left))}</td>}
        <td class={own['minor']}>{message.key}</td>
        <td class={`number ${own['minor']}`}>{message.absent ? '' : bytes(body.bytes.length)}</td>
        <td class={`${own['preview']} mono`}>{message.absent ? t().notRecorded : preview(body)}</td>
        {onRedrive && (
          <td>
            <button
              disabled={whyNot !== undefined}
              title={whyNot}
              aria-label={`${t().redrive} ${shortId(message.id)}`}
              onClick={() => void onRedrive(message.id)}
            >
              {t().redrive}
            </button>
          </td>
        )}
      </tr>
      {isOpen && !message.absent && (
        <tr>
          <td colSpan={8}>
            <MessageBody message={message} body={body} />
          </td>
        </tr>
      )}
    </tbody>
  );
}

/** Without the zeros that it begins with. */
export function shortId(id: string): string {
  return id.replace(/^0+(?=.)/, '');
}

/** The time of day, with the date where that is not today. */
function clock(ms: number): string {
  const date = new Date(ms);
  const locale = language.value === 'zh' ? 'zh-CN' : 'en';
  const time = date.toLocaleTimeString(locale, { hour12: false });
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString(locale)} ${time}`;
}
