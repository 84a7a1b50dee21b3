// A small menu of behaviours, for those who do not drag.
import { useId, useRef } from 'preact/hooks';

import { BEHAVIOURS, type Behaviour, type Play } from '../broker/play.js';
import { behaviourTexts } from '../playground/behaviours.js';
import { attempt } from '../ui/toast.js';
import style from './picture.module.css';
import { words } from './words.js';

export function AddConsumer({ play, topic, channel }: { play: Play; topic: string; channel: string }) {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const opened = (event: { newState: string }) => {
    const box = menu.current!;
    if (event.newState !== 'open') return;
    const at = button.current!.getBoundingClientRect();
    const { width, height } = box.getBoundingClientRect();
    box.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, at.right - width))}px`;
    box.style.top = `${at.bottom + 4 + height < innerHeight ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
    box.querySelector('button')?.focus();
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const all = [...menu.current!.querySelectorAll('button')];
    all[(all.indexOf(document.activeElement as HTMLButtonElement) + step + all.length) % all.length]?.focus();
  };
  const add = (behaviour: Behaviour) => {
    menu.current!.hidePopover();
    void attempt(() => play.addConsumer({ topic, channel, behaviour }));
  };
  return (
    <>
      <button ref={button} type="button" class={style['add']} popovertarget={id} aria-haspopup="menu" aria-label={words().addTo(channel)} title={words().addTo(channel)}>
        + <span>{words().consumer}</span>
      </button>
      <div ref={menu} id={id} popover="auto" role="menu" aria-label={words().addTo(channel)} class={style['menu']} onToggle={opened} onKeyDown={move}>
        {BEHAVIOURS.map((behaviour) => (
          <button key={behaviour} type="button" role="menuitem" class="quiet" onClick={() => add(behaviour)}>
            {behaviourTexts()[behaviour].name} <small class="soft">{behaviourTexts()[behaviour].does}</small>
          </button>
        ))}
      </div>
    </>
  );
}
