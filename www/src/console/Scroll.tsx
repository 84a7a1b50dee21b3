import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import style from './Console.module.css';

/** A box for a wide table. Where it does not fit, the keyboard can scroll it, too. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const [isCut, setCut] = useState(false);
  useEffect(() => {
    const element = box.current!;
    const watcher = new ResizeObserver(() => setCut(element.scrollWidth > element.clientWidth));
    watcher.observe(element);
    watcher.observe(element.firstElementChild!);
    return () => watcher.disconnect();
  }, []);
  return (
    <div ref={box} class={style['scroll']} {...(isCut ? { tabIndex: 0, role: 'region', 'aria-label': label } : {})}>
      {children}
    </div>
  );
}
