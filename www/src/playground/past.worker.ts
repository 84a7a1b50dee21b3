// Has a recording, and shows moments of it.
import { serve } from 'shelfmq/port';
import { Recording } from 'shelfmq/recording';

import type { Fetch } from '../broker/fetch.js';
import { snapshot } from '../broker/snapshot.js';
import { Flows } from './flows.js';
import { clipped } from './host/frames.js';
import type { Opened, PastCalls, Shown, To } from './past.js';
import { answerCalls, sendNews } from './rpc.js';
import { groups, movedIn, toldOf } from './steps.js';

/** Steps further than this are a jump: what moved on the way is not shown. */
const WALK = 400;

type Bytes = Uint8Array<ArrayBuffer>;

let recording: Recording | undefined;
let flows = new Flows();
/** Where it was looked at last. */
let last = -1;
let tell: (done: number) => void = () => {};

async function open(parts: Bytes[]): Promise<Opened> {
  // Of the broker's own, most is known: what was run is not run again.
  if (!recording?.grow(parts)) {
    recording?.close();
    recording = undefined;
    recording = await Recording.open(parts, { onProgress: tell });
    flows = new Flows();
    last = -1;
  }
  const opened = recording;
  const { from, to, stepCount: steps, broken, torn } = opened;
  const why = broken ?? (torn > 0 ? `${torn} bytes at its end are torn or damaged, and were left out` : undefined);
  return { from, to, steps, ...(why === undefined ? {} : { broken: why }) };
}

function opened(): Recording {
  if (!recording) throw new Error('no recording is open');
  return recording;
}

const look: Fetch = (at, init) => opened().fetch(at, init);

async function seek(to: To): Promise<Shown> {
  const here = opened();
  const { step, at } = here.seek(to);
  const walked = step - last;
  if (last < 0 || walked < 0 || walked > WALK) flows.clear();
  else if (walked > 0) for (const seen of movedIn(here.steps(last + 1, walked))) flows.see(seen);
  last = step;
  const shown = clipped(await snapshot(look));
  // A seek for time comes to the last step before it, but it is that time.
  const now = 'at' in to ? Math.max(to.at, at) : at;
  const frame = { now, snapshot: shown, flows: flows.upTo(shown), consumers: [], producers: [] };
  return { moment: { at: now, step }, frame };
}

/** How many steps are read to find where the last group ends. */
const TAIL = 256;

const calls: PastCalls = {
  open,
  seek,
  told: async (from, count) => {
    const first = Math.max(1, from);
    const steps = opened().steps(first, from + count - first + TAIL);
    return groups(steps)
      .filter(([head]) => head!.step < from + count)
      .map(toldOf);
  },
  story: async (topic, id, step) => {
    const here = opened();
    const { step: before } = here.position;
    here.seek({ step });
    try {
      return here.story(topic, id);
    } finally {
      here.seek({ step: before });
    }
  },
};

self.addEventListener('message', ({ ports: [api, control] }: MessageEvent) => {
  if (!api || !control) return;
  serve(async (request) => opened().fetch(request), api);
  answerCalls(control, calls);
  tell = (done) => sendNews(control, done);
});
