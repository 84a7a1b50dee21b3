// How directories and files are called.

const TOPIC = '.topic';
const SEGMENT = /^([0-9a-f]{8})\.log$/;

/** Where names are told apart by their capitals, too. */
export const directoryOf = (topic) => topic + TOPIC;

/** The topic that has a directory of this name, if one may. */
export const topicOf = (name) => (name.endsWith(TOPIC) ? name.slice(0, -TOPIC.length) : undefined);

/** A topic's name as no file system takes it for another's: as the server has it, a capital letter is `+` and the small one. */
export const folded = (topic) => topic.replace(/[A-Z]/g, (letter) => `+${letter.toLowerCase()}`);

/** The topic that has a directory of such a name, if one may. One whose capitals stand as they are is of an earlier version. */
export const unfolded = (name) => {
  const topic = topicOf(name)?.replace(/\+([a-z])/g, (_, letter) => letter.toUpperCase());
  return topic === undefined || topic === '' || topic.includes('+') ? undefined : topic;
};

export const fileOf = (segment) => `${segment.toString(16).padStart(8, '0')}.log`;

/** The number of the segment that has a file of this name, if one may. */
export const segmentOf = (name) => {
  const found = SEGMENT.exec(name);
  return found ? Number.parseInt(found[1], 16) : undefined;
};
