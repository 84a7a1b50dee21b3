// Which messages of a channel are shown, and where on its shelf they stand.
import type { Message, State } from '../broker/api.js';
import type { ChannelSnapshot, Pile, TopicSnapshot } from '../broker/snapshot.js';
import type { Box, Density, More, Shelf, Token } from './nodes.js';

export const STATES: readonly State[] = ['ready', 'in_flight', 'deferred', 'dead'];

const PAD = 12;
const GAP = 6;
/** The place of "+123". */
const MORE = 40;

export const TOKEN: Record<Density, { w: number; h: number }> = {
  full: { w: 72, h: 30 },
  compact: { w: 13, h: 16 },
  line: { w: 0, h: 0 },
};

const HEAD: Record<Density, number> = { full: 40, compact: 27, line: 27 };
const LAST = 14;
const ROW = 38;
export const DEAD_SHELF = 42;

/** Where there is little room, messages are narrower. */
function width(density: Density, along: number): number {
  return density === 'full' && along < 400 ? 54 : TOKEN[density].w;
}

/** How high a channel's shelf is, without that of its dead letters. */
export function shelfHeight(density: Density, rows: number): number {
  if (density === 'full') return HEAD.full + rows * ROW + LAST - 8;
  return density === 'compact' ? HEAD.compact + TOKEN.compact.h + LAST : HEAD.line + 7;
}

/** A stretch of a shelf for one state. Ready ones queue towards its right end: the next one to go is there. */
interface Stretch extends Box {
  state: State;
  fromRight: boolean;
}

function stretches(density: Density, w: number): Stretch[] {
  const inner = w - 2 * PAD;
  if (density === 'line') return [];
  const { h } = TOKEN[density];
  if (density === 'full') {
    const ready = Math.round(inner * 0.56);
    return [
      { state: 'ready', x: PAD, y: HEAD.full, w: ready - 8, h, fromRight: true },
      { state: 'in_flight', x: PAD + ready + 8, y: HEAD.full, w: inner - ready - 8, h, fromRight: false },
      { state: 'deferred', x: PAD, y: HEAD.full + ROW, w: inner, h, fromRight: false },
    ];
  }
  const parts: [State, number, number][] = [
    ['ready', 0, 0.44],
    ['in_flight', 0.46, 0.68],
    ['deferred', 0.7, 0.84],
    ['dead', 0.86, 1],
  ];
  return parts.map(([state, from, to]) => ({
    state,
    x: PAD + inner * from,
    y: HEAD.compact,
    w: inner * (to - from),
    h,
    fromRight: state === 'ready',
  }));
}

/** Puts the first messages of a pile on a stretch, and says how many more there are. */
function fill(stretch: Stretch, pile: Pile, messages: readonly Message[], density: Density, onto: Shelf, lease?: number): void {
  if (pile.count === 0) return;
  const { h } = TOKEN[density];
  const w = width(density, onto.w);
  const gap = density === 'full' ? GAP : 3;
  const fits = (room: number) => Math.max(0, Math.floor((room + gap) / (w + gap)));
  let shown = Math.min(messages.length, fits(stretch.w));
  if (shown < pile.count) shown = Math.min(shown, fits(stretch.w - MORE - gap));
  const place = (i: number, width: number) => {
    const along = i * (w + gap);
    return stretch.fromRight ? stretch.x + stretch.w - along - width : stretch.x + along;
  };
  for (let i = 0; i < shown; i += 1) {
    const message = messages[i]!;
    const token: Token = { x: Math.round(place(i, w)), y: stretch.y, w, h, message, state: stretch.state };
    if (lease !== undefined && stretch.state === 'in_flight') token.lease = lease;
    onto.tokens.push(token);
  }
  if (shown < pile.count) {
    const more: More = { x: Math.round(place(shown, MORE)), y: stretch.y, w: MORE, h, state: stretch.state, count: pile.count - shown };
    onto.more.push(more);
  }
}

/** The messages of a channel: each once, also where it moved on while the piles were being looked at. */
function apart(channel: ChannelSnapshot): Record<State, Message[]> {
  const met = new Set<string>();
  const found = {} as Record<State, Message[]>;
  for (const state of [...STATES].reverse()) {
    found[state] = channel.piles[state].first.filter(({ id }) => !met.has(id) && met.add(id));
  }
  return found;
}

/** What stands on a channel's shelf, and on that of its dead letters. */
export function stock(channel: ChannelSnapshot, density: Density, box: Box): { shelf: Shelf; dead?: Shelf } {
  const messages = apart(channel);
  const shelf: Shelf = { ...box, tokens: [], more: [] };
  for (const stretch of stretches(density, box.w)) {
    const pile = channel.piles[stretch.state];
    fill(stretch, pile, messages[stretch.state], density, shelf, channel.stats.options.timeout_ms);
  }
  if (density !== 'full') return { shelf };
  const dead: Shelf = { x: box.x + 16, y: box.y + box.h + 5, w: box.w - 16, h: DEAD_SHELF, tokens: [], more: [] };
  const stretch: Stretch = { state: 'dead', x: 118, y: 6, w: dead.w - 118 - PAD, h: TOKEN.full.h, fromRight: false };
  fill(stretch, channel.piles.dead, messages.dead, 'full', dead);
  return { shelf, dead };
}

/** What waits in a topic, in small blocks. */
export function waiting(topic: TopicSnapshot, box: Box, y: number): Shelf {
  const shelf: Shelf = { ...box, tokens: [], more: [] };
  const stretch: Stretch = { state: 'ready', x: PAD, y, w: box.w - 2 * PAD, h: TOKEN.compact.h, fromRight: false };
  fill(stretch, topic.backlog, topic.backlog.first, 'compact', shelf);
  return shelf;
}
