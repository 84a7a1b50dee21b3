// The broker's clock as it is shown: to the millisecond, by the time zone of whoever looks.
import { language } from '../app/texts.js';

const two = (n: number) => String(n).padStart(2, '0');

/** `14:03:07.250` */
export function timeOf(ms: number): string {
  const date = new Date(ms);
  const millis = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

export function dayOf(ms: number): string {
  const format = { weekday: 'short', day: 'numeric', month: 'short' } as const;
  return new Date(ms).toLocaleDateString(language.value === 'zh' ? 'zh-CN' : 'en-GB', format);
}
