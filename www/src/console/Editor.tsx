import { useEffect, useRef, useState } from 'preact/hooks';

import style from './forms.module.css';

interface Props {
  label: string;
  value: string;
  onChange(value: string): void;
}

/** A field for the body of a message: a plain one until the editor is loaded, and where it cannot be. */
export function Editor({ label, value, onChange }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plain = useRef<HTMLTextAreaElement>(null);
  const [loaded, setLoaded] = useState(false);
  const change = useRef(onChange);
  change.current = onChange;
  useEffect(() => {
    let gone = false;
    let close = () => {};
    import('./codemirror.js').then(
      ({ openEditor }) => {
        if (gone || !box.current) return;
        const isFocused = document.activeElement === plain.current;
        const text = plain.current?.value ?? value;
        setLoaded(true);
        close = openEditor(box.current, { label, text, isFocused, onChange: (text) => change.current(text) });
      },
      // The plain field does it, too.
      () => {},
    );
    return () => {
      gone = true;
      close();
    };
  }, []);
  return (
    <div ref={box} class={style['editor']}>
      {!loaded && (
        <textarea
          ref={plain}
          aria-label={label}
          autoFocus
          spellcheck={false}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </div>
  );
}
