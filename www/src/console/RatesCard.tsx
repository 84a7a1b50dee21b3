import { RateChart, perSecond } from '../charts/RateChart.js';
import type { Counter, Series } from './rates.js';
import { rates } from './rates.js';
import style from './Console.module.css';
import { words } from './words.js';

const COLORS: Record<Counter, string> = {
  published: 'var(--ready)',
  finished: 'var(--finished)',
  requeued: 'var(--in-flight)',
  timedOut: 'var(--dead)',
};

/** The rates of a topic or a channel over the last minutes. */
export function RatesCard({ series, isChannel = false }: { series: Series; isChannel?: boolean }) {
  const samples = series.samples.value;
  const w = words();
  const names: [Counter, string][] = [
    ['published', isChannel ? w.delivered : w.published],
    ['finished', w.finished],
    ['requeued', w.requeues],
    ['timedOut', w.timeouts],
  ];
  return (
    <section class={`${style['section']} card`} aria-labelledby="rates">
      <h2 id="rates">{w.rates}</h2>
      <RateChart
        title={w.rates}
        times={samples.slice(1).map(({ at }) => at / 1_000)}
        lines={names.map(([counter, label]) => ({ label, color: COLORS[counter], values: rates(samples, counter) }))}
        format={perSecond}
      />
    </section>
  );
}
