import { count, texts } from '../app/texts.js';
import type { Play } from '../broker/play.js';
import style from './lessons.module.css';

const t = texts(
  {
    waits: 'waiting',
    people: { xiaoming: 'Xiaoming', xiaoqiang: 'Xiaoqiang' } as Record<string, string>,
    hands: 'in hand',
    read: 'read',
    who: 'Reader',
    all: (n: number) => `${count(n)} put on the shelf so far.`,
    nobody: 'Nobody has ever read from it.',
  },
  {
    waits: '等着',
    people: { xiaoming: '小明', xiaoqiang: '小强' },
    hands: '手里',
    read: '读完',
    who: '读者',
    all: (n: number) => `书架上一共放过 ${count(n)} 本。`,
    nobody: '还没有人从这里读过。',
  },
);

/** A scene in numbers: what is on the shelf, and how far its readers are. */
export function Shelf({ play, topic }: { play: Play; topic: string }) {
  const shown = play.frame.value?.snapshot.topics.find((one) => one.name === topic);
  return (
    <div class={style['shelf']}>
      <p>{t().all(shown?.published ?? 0)}</p>
      {shown && shown.channels.length > 0 ? (
        <table>
          <thead>
            <tr>
              <th scope="col">{t().who}</th>
              <th scope="col" class="number">
                {t().waits}
              </th>
              <th scope="col" class="number">
                {t().hands}
              </th>
              <th scope="col" class="number">
                {t().read}
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.channels.map(({ name, piles, stats }) => (
              <tr key={name}>
                <th scope="row">{t().people[name] ?? name}</th>
                <td class="number">{count(piles.ready.count + piles.deferred.count)}</td>
                <td class="number">{count(piles.in_flight.count)}</td>
                <td class="number">{count(stats.finish_count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p class="soft">{t().nobody}</p>
      )}
    </div>
  );
}
