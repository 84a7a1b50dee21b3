import type { Play } from '../broker/play.js';

export async function openPlay(): Promise<Play> {
  throw new Error('not there yet');
}
