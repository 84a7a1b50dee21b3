import { count, duration, texts } from '../app/texts.js';
import type { Latency } from '../broker/api.js';
import style from './Console.module.css';

const t = texts(
  { latency: (percent: number) => `Latency p${percent}` },
  { latency: (percent) => `耗时 p${percent}` },
);

export interface Tile {
  name: string;
  value: number | string;
  /** Of the theme, without `--`; only a value above zero has it. */
  color?: string;
  /** What else belongs to the number. */
  beside?: string;
}

/** Numbers with their names, side by side. */
export function Tiles({ label, tiles }: { label: string; tiles: readonly Tile[] }) {
  return (
    <dl class={`${style['tiles']} card`} aria-label={label}>
      {tiles.map(({ name, value, color, beside }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd style={color !== undefined && value !== 0 ? { color: `var(--${color})` } : undefined}>
            {typeof value === 'number' ? count(value) : value}
            {beside !== undefined && beside !== '' && <small>{beside}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** How long messages took from their publishing to their finishing, where any were finished lately. */
export function latencyTiles({ percentiles }: Latency): Tile[] {
  const sorted = [...(percentiles ?? [])].sort((a, b) => a.quantile - b.quantile);
  return sorted.map(({ quantile, value }) => ({ name: t().latency(Math.round(quantile * 100)), value: duration(value / 1e6) }));
}
