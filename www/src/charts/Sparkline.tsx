import style from './charts.module.css';

const WIDTH = 72;
const HEIGHT = 20;
const POINTS = 40;

/** The shape of the last minute; the number that it is about stands beside it. */
export function Sparkline({ values }: { values: readonly number[] }) {
  const shown = values.slice(-POINTS);
  const top = Math.max(...shown, Number.MIN_VALUE);
  const x = (i: number) => WIDTH - 1 - (shown.length - 1 - i) * ((WIDTH - 2) / (POINTS - 1));
  const points = shown.map((value, i) => `${x(i).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`);
  const isFlat = shown.every((value) => value === 0);
  return (
    <svg class={style['spark']} width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" data-flat={isFlat}>
      {shown.length > 1 && <polyline points={points.join(' ')} />}
    </svg>
  );
}
