// How directories and files are called.

const TOPIC = '.topic';
const SEGMENT = /^([0-9a-f]{8})\.log$/;

/** A topic's name as no file system takes it for another's: as the server has it, a capital letter is `+` and the small one. */
export const folded = (topic) => topic.replace(/[A-Z]/g, (letter) => `+${letter.toLowerCase()}`);

export const directoryOf = (topic) => folded(topic) + TOPIC;

/** The topic that has a directory of this name, if one may. One whose capitals stand as they are is of an earlier version. */
export const unfolded = (name) => {
  if (!name.endsWith(TOPIC)) return undefined;
  const topic = name.slice(0, -TOPIC.length).replace(/\+([a-z])/g, (_, letter) => letter.toUpperCase());
  return topic === '' || topic.includes('+') ? undefined : topic;
};

export const fileOf = (segment) => `${segment.toString(16).padStart(8, '0')}.log`;

/** The number of the segment that has a file of this name, if one may. */
export const segmentOf = (name) => {
  const found = SEGMENT.exec(name);
  return found ? Number.parseInt(found[1], 16) : undefined;
};
