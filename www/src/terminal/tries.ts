// Commands to try, in an order in which each has something to show.
import type { Session } from '../broker/session.js';
import { t } from './said.js';

/** How the session's broker is written in a command. */
export function address(session: Session): string {
  return session.base.replace(/^http:\/\//, '');
}

export function tries(session: Session): { name: string; command: string }[] {
  const at = address(session);
  const sub = `${at}/sub?topic=books&channel=me`;
  const said = t();
  return [
    { name: said.publish, command: `curl -d 'Dune' '${at}/pub?topic=books'` },
    { name: said.hundred, command: `for i in {1..100};do curl -d "Book $i" '${at}/pub?topic=books' ;done` },
    { name: said.receive, command: `curl -i '${sub}&ack=auto&wait=1s'` },
    { name: said.many, command: `curl -s '${sub}&max=10&ack=auto&wait=1s' | jq -r '.messages[].body'` },
    {
      name: said.finish,
      command: [
        `receipt=$(curl -s '${sub}&format=json&wait=1s' | jq -r '.messages[].receipt')`,
        `curl -X POST "${at}/fin?topic=books&channel=me&receipt=$receipt"`,
      ].join('\n'),
    },
    { name: said.later, command: `curl -d 'Call back' '${at}/pub?topic=books&defer=10s'` },
    { name: said.follow, command: `curl -N '${sub}&ack=auto&format=ndjson&stream=true'` },
    { name: said.stats, command: `curl '${at}/stats?topic=books' | grep depth` },
  ];
}
