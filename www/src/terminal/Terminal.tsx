// A terminal that takes real curl.
import type { TargetedEvent, TargetedKeyboardEvent, TargetedMouseEvent } from 'preact';
import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';

import type { Session } from '../broker/session.js';
import { type Machine, arrived, machineOf } from './machine.js';
import { Prompt } from './Prompt.js';
import { t } from './said.js';
import type { Piece } from './screen.js';
import style from './Terminal.module.css';
import { address, tries } from './tries.js';

export { pasteIntoTerminal } from './machine.js';

export function Terminal({ session }: { session: Session }) {
  const machine = useMemo(() => machineOf(session), [session]);
  useEffect(() => arrived(machine), [machine]);
  const keys = (event: TargetedKeyboardEvent<HTMLElement>) => {
    if (!event.ctrlKey || event.shiftKey || event.altKey || event.metaKey) return;
    // With something selected, Ctrl-C copies it.
    if (event.key === 'c' && !isSelected()) machine.interrupt();
    else if (event.key === 'l') machine.screen.clear();
    else return;
    event.preventDefault();
  };
  return (
    <div class={style['terminal']} onKeyDown={keys}>
      {session.life === 'console' && <h1 class="sr-only">{t().terminal}</h1>}
      <Tries machine={machine} />
      <Log machine={machine} />
      <Prompt machine={machine} />
    </div>
  );
}

/** Whether text is selected, in the page or in a field. */
function isSelected(): boolean {
  const field = document.activeElement;
  if (field instanceof HTMLTextAreaElement && field.selectionStart !== field.selectionEnd) return true;
  return getSelection()?.isCollapsed === false;
}

function Tries({ machine }: { machine: Machine }) {
  // A server may be somebody's: there, what would be run is shown first.
  const choose = (command: string) => (machine.session.life === 'console' ? machine.insert(command) : void machine.enter(command));
  return (
    <div class={style['tries']}>
      <div class={style['chips']} role="group" aria-label={t().tries}>
        {tries(machine.session).map(({ name, command }) => (
          <button key={name} title={command} onClick={() => choose(command)}>
            {name}
          </button>
        ))}
      </div>
      <button class={`quiet ${style['clear']}`} onClick={() => machine.screen.clear()}>
        {t().clear}
      </button>
    </div>
  );
}

const PieceView = memo(({ piece: { kind, text } }: { piece: Piece }) =>
  kind === 'in' ? <div class={style['in']}>{text}</div> : <span class={style[kind]}>{text}</span>,
);

function Log({ machine }: { machine: Machine }) {
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const pieces = machine.screen.pieces.value;
  useLayoutEffect(() => {
    const element = log.current;
    if (element && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [pieces]);
  const scrolled = ({ currentTarget: { scrollTop, scrollHeight, clientHeight } }: TargetedEvent<HTMLElement>) => {
    atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  const clicked = (event: TargetedMouseEvent<HTMLElement>) => {
    // On a phone this would bring up the keyboard.
    if (isSelected() || !matchMedia('(pointer: fine)').matches) return;
    event.currentTarget.parentElement?.querySelector('textarea')?.focus({ preventScroll: true });
  };
  return (
    <div ref={log} class={style['log']} role="log" aria-label={t().output} tabIndex={0} onScroll={scrolled} onClick={clicked}>
      {pieces.length === 0 && <p class={style['welcome']}>{t().welcome(address(machine.session))}</p>}
      {pieces.map((piece) => (
        <PieceView key={piece.id} piece={piece} />
      ))}
    </div>
  );
}
