// The receipts of messages that were received here one at a time: lessons fill them into the next command.
import { signal } from '@preact/signals';

import type { Fetch } from './fetch.js';

/** The last receipt of each channel, by `topic/channel`. */
export const receipts = signal<Readonly<Record<string, string>>>({});

/** The same fetch function; receipts that come by are kept. */
export function keepReceipts(fetch: Fetch): Fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const receipt = response.headers.get('shelf-receipt');
    if (receipt !== null) note(input, receipt);
    return response;
  };
}

function note(input: string, receipt: string): void {
  const query = new URL(input, 'http://localhost').searchParams;
  // What is finished as it is handed out needs no receipt.
  if (query.get('ack') === 'auto') return;
  receipts.value = { ...receipts.value, [`${query.get('topic')}/${query.get('channel')}`]: receipt };
}
