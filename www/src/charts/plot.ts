// uPlot with the theme's colours. Loaded where a chart is shown.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { language } from '../app/texts.js';

/** A minute is shown from the start on, so that lines grow into it; seconds. */
const SHOWN = 60;

export function draw(element: HTMLElement, lines: { label: string; color: string }[], format: (value: number) => string): uPlot {
  const { color: ink, fontFamily } = getComputedStyle(element);
  const faint = mixed(ink, 0.12);
  const font = `12px ${fontFamily}`;
  const axis: uPlot.Axis = { stroke: mixed(ink, 0.75), font, grid: { stroke: faint, width: 1 }, ticks: { show: false } };
  const clock = new Intl.DateTimeFormat(language.value === 'zh' ? 'zh-CN' : 'en', {
    hour12: false,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return new uPlot(
    {
      width: element.clientWidth,
      height: 190,
      cursor: { show: false },
      legend: { show: false },
      padding: [8, 26, 0, 0],
      scales: { x: { range: (_, least, most) => [Math.min(least, most - SHOWN), most] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [
        { ...axis, space: 90, size: 28, values: (_, seconds) => seconds.map((s) => clock.format(s * 1_000)) },
        { ...axis, size: 56, space: 36, values: (_, values) => values.map(format) },
      ],
      series: [{}, ...lines.map(({ label, color }) => ({ label, stroke: color, width: 1.75, points: { show: false } }))],
    },
    undefined,
    element,
  );
}

/** A colour made thinner: canvases of older browsers know no `color-mix`. */
function mixed(color: string, alpha: number): string {
  const parts = color.match(/[\d.]+/g)?.slice(0, 3) ?? ['128', '128', '128'];
  return `rgba(${parts.join(',')},${alpha})`;
}
