// A picture of nothing, and what to do about it.
import style from './picture.module.css';
import { words } from './words.js';

export function Empty({ base }: { base: string }) {
  return (
    <div class={style['empty']}>
      <svg viewBox="0 0 240 130" width="240" height="130" aria-hidden="true">
        <g fill="none" stroke="var(--line)" stroke-width="3" stroke-linecap="round">
          <path d="M30 60h180M30 116h180M42 60v10M198 60v10M42 116v8M198 116v8" />
          <rect x="120" y="36" width="36" height="20" rx="5" stroke-dasharray="4 6" />
          <rect x="164" y="36" width="36" height="20" rx="5" stroke-dasharray="4 6" />
          <rect x="42" y="92" width="36" height="20" rx="5" stroke-dasharray="4 6" />
        </g>
        <g fill="none" stroke="var(--accent)" stroke-width="3" stroke-linecap="round" stroke-linejoin="round">
          <path d="M58 58V44h22v14z" fill="var(--card)" />
          <path d="M69 44c0-12-2-18-10-22M69 40c2-8 6-13 14-14" />
          <path d="M59 22c-5-1-8-4-9-9 6 0 9 3 9 9zM83 26c1-5 4-8 9-8 0 6-3 9-9 8z" fill="var(--accent)" />
        </g>
      </svg>
      <h2>{words().nothing}</h2>
      <p class="soft">{words().nothingDo}</p>
      <pre>{`curl -d 'hello' '${base.replace(/^https?:\/\/(?=localhost)/, '')}/pub?topic=books'`}</pre>
    </div>
  );
}
