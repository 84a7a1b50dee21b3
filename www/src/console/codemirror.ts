// CodeMirror in the theme's colours; a body that is JSON is drawn as such. Loaded where something is edited.
import { json } from '@codemirror/lang-json';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { Compartment } from '@codemirror/state';
import { EditorView, minimalSetup } from 'codemirror';
import { tags } from '@lezer/highlight';

const COLORS = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--accent)' },
  { tag: tags.string, color: 'var(--finished)' },
  { tag: tags.number, color: 'var(--ready)' },
  { tag: [tags.bool, tags.null], color: 'var(--deferred)' },
]);

const THEME = EditorView.theme({
  '&': { fontSize: '0.9rem', maxHeight: '40vh', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', minHeight: '9rem' },
  '.cm-content': { caretColor: 'var(--ink)', padding: '0.5rem 0.3rem' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'color-mix(in srgb, var(--accent) 28%, transparent)',
  },
});

interface Options {
  label: string;
  text: string;
  isFocused: boolean;
  onChange(text: string): void;
}

/** Opens an editor in this element; answers what closes it. */
export function openEditor(parent: HTMLElement, { label, text, isFocused, onChange }: Options): () => void {
  const language = new Compartment();
  const looksLikeJson = (text: string) => /^\s*[[{]/.test(text);
  let isJson = looksLikeJson(text);
  const view = new EditorView({
    parent,
    doc: text,
    extensions: [
      minimalSetup,
      EditorView.lineWrapping,
      THEME,
      syntaxHighlighting(COLORS),
      language.of(isJson ? json() : []),
      EditorView.contentAttributes.of({ 'aria-label': label }),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        const now = update.state.doc.toString();
        onChange(now);
        if (looksLikeJson(now) === isJson) return;
        isJson = !isJson;
        // Within an update, there can be no other.
        queueMicrotask(() => view.dispatch({ effects: language.reconfigure(isJson ? json() : []) }));
      }),
    ],
  });
  if (isFocused) view.focus();
  return () => view.destroy();
}
