// Which part of the playground is shown. Wide windows show the picture and the terminal at all times, and one panel
// beside them; narrow ones show one thing at a time.
import { computed, signal } from '@preact/signals';

export const PANELS = ['lessons', 'consumers', 'events', 'files'] as const;
export type Panel = (typeof PANELS)[number];
export const VIEWS = ['picture', 'terminal', ...PANELS] as const;
export type View = (typeof VIEWS)[number];

const KEY = 'shelfmq.panel';
const kept = localStorage.getItem(KEY);

/** The panel at the side. */
export const shownPanel = signal<Panel>(PANELS.find((one) => one === kept) ?? 'lessons');
/** What a narrow window shows. */
const chosen = signal<View>('picture');

const query = matchMedia('(max-width: 56rem)');
export const narrow = signal(query.matches);
query.addEventListener('change', () => (narrow.value = query.matches));

/** What is shown of all, or the panel of it where several are. */
export const view = computed<View>(() => (narrow.value ? chosen.value : shownPanel.value));

/** Shows something; what is seen anyway stays as it is. */
export function show(view: View): void {
  chosen.value = view;
  const panel = PANELS.find((one) => one === view);
  if (panel === undefined) return;
  shownPanel.value = panel;
  localStorage.setItem(KEY, panel);
}
