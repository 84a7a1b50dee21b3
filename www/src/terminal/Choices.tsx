import { useLayoutEffect, useRef } from 'preact/hooks';

import type { Open } from './editor.js';
import { t } from './said.js';
import style from './Terminal.module.css';

interface Props {
  id: string;
  open: Open;
  onTake(choice: string): void;
}

/** What can stand where the caret is. */
export function Choices({ id, open: { completion, chosen }, onTake }: Props) {
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' }), [chosen]);
  return (
    <ul ref={list} id={id} class={style['choices']} role="listbox" aria-label={t().completions}>
      {completion.choices.map((choice, i) => (
        <li
          key={choice}
          id={`${id}-${i}`}
          role="option"
          aria-selected={i === chosen}
          // The field keeps the focus.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onTake(choice)}
        >
          {choice.slice(completion.shown).trim() || choice}
        </li>
      ))}
    </ul>
  );
}
