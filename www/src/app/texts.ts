// What the app says, in English and Chinese. Each part of the app has its own texts beside it:
//   const t = texts({ title: 'Topics', left: (n: number) => `${n} left` }, { title: '主题', left: (n) => `还有 ${n} 个` });
//   … <h1>{t().title}</h1>
import { computed, effect, signal } from '@preact/signals';

export type Language = 'en' | 'zh';

const KEY = 'shelfmq.language';

function first(): Language {
  const kept = globalThis.localStorage?.getItem(KEY);
  if (kept === 'en' || kept === 'zh') return kept;
  return globalThis.navigator?.language?.startsWith('zh') ? 'zh' : 'en';
}

export const language = signal<Language>(first());

/** Sets the language, for this browser from now on. */
export function setLanguage(to: Language): void {
  language.value = to;
  globalThis.localStorage?.setItem(KEY, to);
}

if (globalThis.document) {
  effect(() => {
    document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
  });
}

/** The same keys in both languages; whatever reads them is drawn again when the language changes. */
export function texts<T extends object>(en: T, zh: { [K in keyof T]: T[K] extends string ? string : T[K] }): () => T {
  const chosen = computed(() => (language.value === 'zh' ? (zh as T) : en));
  return () => chosen.value;
}

/** A number as people of this language write it. */
export function count(n: number): string {
  return n.toLocaleString(language.value === 'zh' ? 'zh-CN' : 'en');
}

const t = texts(
  { ms: 'ms', s: 's', m: 'm', h: 'h', d: 'd' },
  { ms: '毫秒', s: '秒', m: '分', h: '小时', d: '天' },
);

/** A length of time in milliseconds, in short: `850 ms`, `12.4 s`, `3 m 20 s`, `2 h 5 m`. */
export function duration(ms: number): string {
  const u = t();
  if (ms < 1_000) return `${Math.round(ms)} ${u.ms}`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} ${u.s}`;
  const s = Math.round(ms / 1_000);
  if (s < 3_600) return s % 60 === 0 ? `${s / 60} ${u.m}` : `${Math.floor(s / 60)} ${u.m} ${s % 60} ${u.s}`;
  const m = Math.round(s / 60);
  if (m < 1_440) return m % 60 === 0 ? `${m / 60} ${u.h}` : `${Math.floor(m / 60)} ${u.h} ${m % 60} ${u.m}`;
  return `${Math.floor(m / 1_440)} ${u.d} ${Math.floor((m % 1_440) / 60)} ${u.h}`;
}

/** Bytes, in short: `512 B`, `1.4 KiB`, `20 MiB`. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (n >= 1_024 && unit < units.length - 1) {
    n /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}
