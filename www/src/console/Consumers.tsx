import { count, duration, texts } from '../app/texts.js';
import type { ClientStats } from '../broker/api.js';
import type { Session } from '../broker/session.js';
import style from './Console.module.css';
import { Scroll } from './Scroll.js';
import { words } from './words.js';

const t = texts(
  {
    nobody: 'Nobody consumes from here at the moment.',
    noName: '(no name)',
    address: 'Address',
    received: 'Received',
    since: 'Connected for',
    more: (n: string) => `And ${n} more.`,
  },
  {
    nobody: '目前没有消费者。',
    noName: '（未命名）',
    address: '地址',
    received: '收到',
    since: '已连接时长',
    more: (n) => `还有 ${n} 个。`,
  },
);

/** More than that are counted, not shown. */
const SHOWN = 500;

export interface Consumer extends ClientStats {
  /** Where it consumes, where that is not clear. */
  channel?: string;
}

/** Who consumes: those that wait for messages, have some, or asked in the last minute. */
export function Consumers({ session, consumers }: { session: Session; consumers: readonly Consumer[] }) {
  const w = words();
  const isOfMany = consumers.some(({ channel }) => channel !== undefined);
  return (
    <section class={`${style['section']} card`} aria-labelledby="consumers">
      <h2 id="consumers">
        {w.consumers} <small class="soft">{count(consumers.length)}</small>
      </h2>
      {consumers.length === 0 ? (
        <p class="soft">{t().nobody}</p>
      ) : (
        <Scroll label={w.consumers}>
          <table aria-labelledby="consumers">
            <thead>
              <tr>
                <th scope="col">{w.name}</th>
                {isOfMany && <th scope="col">{w.channel}</th>}
                <th scope="col">{t().address}</th>
                <th scope="col" class="number">{w.inFlight}</th>
                <th scope="col" class="number">{t().received}</th>
                <th scope="col" class="number">{w.finished}</th>
                <th scope="col" class="number">{w.requeues}</th>
                <th scope="col" class="number">{t().since}</th>
              </tr>
            </thead>
            <tbody>
              {consumers.slice(0, SHOWN).map((consumer) => (
                <tr key={`${consumer.channel} ${consumer.client_id} ${consumer.remote_address}`}>
                  <th scope="row">
                    {consumer.client_id === '' ? <span class="soft">{t().noName}</span> : consumer.client_id}
                  </th>
                  {isOfMany && <td>{consumer.channel}</td>}
                  <td class="mono">{consumer.remote_address}</td>
                  <td class="number">{count(consumer.in_flight_count)}</td>
                  <td class="number">{count(consumer.message_count)}</td>
                  <td class="number">{count(consumer.finish_count)}</td>
                  <td class="number">{count(consumer.requeue_count)}</td>
                  <td class="number">{duration(Math.max(0, session.now() - consumer.connect_ts * 1_000))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {consumers.length > SHOWN && <p class="soft">{t().more(count(consumers.length - SHOWN))}</p>}
    </section>
  );
}
