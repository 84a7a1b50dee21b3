import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';

import { count, duration, language, texts } from '../app/texts.js';
import { theme } from '../app/theme.js';
import style from './charts.module.css';

export interface Line {
  label: string;
  /** A colour of the theme: `var(--ready)`. */
  color: string;
  values: readonly number[];
}

interface Props {
  title: string;
  /** Seconds since 1970, one for each of the lines' values. */
  times: readonly number[];
  lines: readonly Line[];
  /** A value as it is said. */
  format(value: number): string;
}

const t = texts(
  {
    waiting: 'Measuring, one moment …',
    summary: (title: string, over: string, lines: string) => `${title}, the last ${over}. ${lines}`,
    line: (label: string, now: string, most: string) => `${label}: now ${now} a second, at most ${most}.`,
  },
  {
    waiting: '正在测量，请稍候 …',
    summary: (title, over, lines) => `${title}，最近 ${over}。${lines}`,
    line: (label, now, most) => `${label}：当前每秒 ${now}，最高 ${most}。`,
  },
);

const dark = matchMedia('(prefers-color-scheme: dark)');

/** How fast things went over the last minutes, drawn; and in words for who does not see it. */
export function RateChart({ title, times, lines, format }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [drawn, setDrawn] = useState(0);
  const shown = times.length > 1;

  // Colours and labels are baked in: another theme, language or set of lines is another plot.
  const redraw = () => setDrawn((n) => n + 1);
  useSignalEffect(() => {
    void [theme.value, language.value];
    requestAnimationFrame(redraw);
  });
  useEffect(() => {
    dark.addEventListener('change', redraw);
    return () => dark.removeEventListener('change', redraw);
  }, []);
  useEffect(() => {
    if (!shown || !box.current || !legend.current) return;
    const colors = [...legend.current.querySelectorAll('i')].map((swatch) => getComputedStyle(swatch).color);
    const element = box.current;
    let gone = false;
    const watcher = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 190 }));
    import('./plot.js').then(
      ({ draw }) => {
        if (gone) return;
        plot.current = draw(element, lines.map(({ label }, i) => ({ label, color: colors[i]! })), format);
        plot.current.setData([[...times], ...lines.map(({ values }) => [...values])]);
        watcher.observe(element);
      },
      // The numbers are there without it.
      () => {},
    );
    return () => {
      gone = true;
      watcher.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shown, drawn, lines.length]);
  useEffect(() => plot.current?.setData([[...times], ...lines.map(({ values }) => [...values])]), [times.at(-1), times.length]);

  const said = lines.map(({ label, values }) => t().line(label, format(values.at(-1) ?? 0), format(Math.max(0, ...values))));
  const over = duration(((times.at(-1) ?? 0) - (times[0] ?? 0)) * 1_000);
  return (
    <figure class={style['figure']}>
      <ul ref={legend} class={style['legend']}>
        {lines.map(({ label, color, values }) => (
          <li key={label}>
            <i class={style['swatch']} style={{ color }} />
            {label} <b>{values.length > 0 ? format(values.at(-1)!) : '–'}/s</b>
          </li>
        ))}
      </ul>
      {shown ? (
        <div ref={box} class={style['plot']} role="img" aria-label={t().summary(title, over, said.join(' '))} />
      ) : (
        <p class={`${style['waiting']} soft`}>{t().waiting}</p>
      )}
    </figure>
  );
}

/** A rate in few letters. */
export function perSecond(rate: number): string {
  return rate > 0 && rate < 10 ? count(Math.max(0.1, Math.round(rate * 10) / 10)) : count(Math.round(rate));
}
