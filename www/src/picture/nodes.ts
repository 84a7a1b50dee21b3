// What the picture consists of: things with a place, and ways between them.
import type { Message, State } from '../broker/api.js';
import type { Behaviour, ProducerView } from '../broker/play.js';
import type { Path } from './path.js';

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** A box as a style. */
export const placed = ({ x, y, w, h }: Box) => ({ left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });

/** How much of each channel is shown: messages with their bodies; as small blocks; counts alone. */
export type Density = 'full' | 'compact' | 'line';

/** A message that can be seen and touched. Its place is within the shelf that it is on. */
export interface Token extends Box {
  message: Message;
  state: State;
  /** How long its lease lasts in all, ms, as far as the channel says. */
  lease?: number;
}

/** What is not shown of a pile, and where that is said. */
export interface More extends Box {
  state: State;
  count: number;
}

export interface Shelf extends Box {
  tokens: Token[];
  more: More[];
}

export interface ChannelNode extends Shelf {
  key: string;
  topic: string;
  name: string;
  density: Density;
  paused: boolean;
  ordered: boolean;
  counts: Record<State, number>;
  consumers: number;
  /** Parts of the bar that says how much there is, compared with the channel that has most: 0 to 1. */
  bar: Record<State, number>;
  /** Dead letters stand on a shelf of their own, where there is room for one. */
  dead?: Shelf;
  /** Where its dead letters go. */
  deadLetter?: string;
}

export interface TopicNode extends Shelf {
  name: string;
  paused: boolean;
  published: number;
  backlog: number;
  channels: number;
}

export interface ConsumerNode extends Box {
  key: string;
  topic: string;
  channel: string;
  name: string;
  density: Density;
  /** It is one of the playground's own. */
  simulated?: { id: number; behaviour: Behaviour };
  holds: number;
  finished: number;
  requeued: number;
}

export interface ProducerNode extends Box {
  key: string;
  view: ProducerView;
}

/** Things that are told as one, because there are too many. */
export interface FoldNode extends Box {
  key: string;
  what: 'channels' | 'consumers' | 'topics' | 'less';
  count: number;
  topic?: string;
  counts?: Record<State, number>;
}

/** A place where something could be. */
export interface Ghost extends Box {
  topic: string;
}

export interface Edge {
  key: string;
  path: Path;
  /** Drawn also while nothing moves on it. */
  drawn: boolean;
  dead?: boolean;
}

export interface Scene {
  width: number;
  height: number;
  wide: boolean;
  topics: TopicNode[];
  channels: ChannelNode[];
  consumers: ConsumerNode[];
  producers: ProducerNode[];
  folds: FoldNode[];
  ghosts: Ghost[];
  edges: Map<string, Edge>;
}
