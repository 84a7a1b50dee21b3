import { count } from '../app/texts.js';
import style from './Console.module.css';

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
