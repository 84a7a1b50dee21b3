// How directories and files are called: as the server calls them.

const TOPIC = '.topic';
const SEGMENT = /^([0-9a-f]{8})\.log$/;

export const directoryOf = (topic) => topic + TOPIC;

/** The topic that has a directory of this name, if one may. */
export const topicOf = (name) => (name.endsWith(TOPIC) ? name.slice(0, -TOPIC.length) : undefined);

export const fileOf = (segment) => `${segment.toString(16).padStart(8, '0')}.log`;

/** The number of the segment that has a file of this name, if one may. */
export const segmentOf = (name) => {
  const found = SEGMENT.exec(name);
  return found ? Number.parseInt(found[1], 16) : undefined;
};
