import { texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import style from './Console.module.css';
import type { Live } from './live.js';
import { attemptTo, whyNot } from './may.js';
import { PageHead } from './PageHead.js';
import { words } from './words.js';

const t = texts(
  { created: (name: string) => `${name} is there.` },
  { created: (name) => `${name} 已创建。` },
);

interface Props {
  session: Session;
  topic: string;
  /** The channel, where that is what is not there. */
  channel?: string;
  /** That it is not there. */
  text: string;
  live: Live<unknown>;
}

/** The page of what is not there, and can be made. */
export function Absent({ session, topic, channel, text, live }: Props) {
  const { api } = session;
  const make = () => (channel === undefined ? api.topic('create', topic) : api.channel('create', topic, channel));
  const create = async () => {
    await attemptTo('create', topic, make, t().created(channel ?? topic));
    live.refresh();
  };
  return (
    <>
      <PageHead topic={topic} {...(channel === undefined ? {} : { channel })} isPaused={false} />
      <div class={`${style['blank']} card`}>
        <p>{text}</p>
        <button disabled={whyNot(session, 'create', topic) !== undefined} onClick={create}>
          {words().create}
        </button>
      </div>
    </>
  );
}
