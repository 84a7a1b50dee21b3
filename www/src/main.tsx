// Two lives of one app: in a page by itself, with the broker in it, or served by a shelfmq server, talking to that.
import { render } from 'preact';

import { App } from './app/App.js';
import { reason } from './broker/fetch.js';
import { playSession, serverSession, type Session } from './broker/session.js';
import './ui/theme.css';

async function session(): Promise<Session> {
  if (document.documentElement.dataset['life'] === 'console') return serverSession();
  const { openPlay } = await import('./playground/client.js');
  return playSession(await openPlay());
}

const root = document.getElementById('app')!;
session().then(
  (session) => render(<App session={session} />, root),
  (why) => {
    root.setAttribute('role', 'alert');
    root.textContent = `shelfmq cannot start here: ${reason(why)}`;
  },
);
