import { basics } from './basics.js';
import { care, longJob } from './care.js';
import type { Lesson } from './lesson.js';
import { order } from './order.js';
import { scenes } from './scenes.js';

export const lessons: readonly Lesson[] = [...basics, ...care, ...order, longJob];
export { scenes };

/** All of them, in the order in which they are meant to be taken. */
export const everything: readonly Lesson[] = [...lessons, ...scenes];
