// The terminal's parts that need no page.
import { VirtualClock } from 'shelfmq';
import { expect, test, vi } from 'vitest';

import { fromHeader, toHeader } from '../../src/broker/headers.js';
import { receipts } from '../../src/broker/receipts.js';
import { Completer, placeOf } from '../../src/terminal/complete.js';
import { CurlError } from '../../src/terminal/curl/options.js';
import { targetOf } from '../../src/terminal/curl/url.js';
import { edited } from '../../src/terminal/edit.js';
import { History } from '../../src/terminal/history.js';
import { cleaned, split } from '../../src/terminal/pasted.js';
import { incomplete, newShell, runScript } from '../../src/terminal/run.js';
import { Screen } from '../../src/terminal/screen.js';
import { broker, run } from './terminal-broker.js';

vi.setConfig({ testTimeout: 30_000 });

/** Waits until this holds. */
const seen = (holds: () => unknown) => vi.waitFor(holds, { timeout: 20_000 });

const nobody = { fetch: () => Promise.reject(new Error('nobody')), now: () => Date.now() };

test('break outside of a loop is said, and the script goes on', async () => {
  const { out, err } = await run(nobody, 'break; echo a');
  expect([out, err]).toEqual(['a\n', "shell: break: only meaningful in a `for', `while', or `until' loop\n"]);
});

test.each([
  ['nosuch', 127, 'nosuch: command not found. There are: curl '],
  ['echo a > file', 1, 'file: there are no files here'],
  ['cat notes.txt', 1, 'there are no files here'],
  ['case x in x) ;; esac', 2, "`case' is not supported by this small shell"],
  ['f() { echo; }', 2, 'functions are not supported'],
  ['[[ -f a ]]', 2, '[[ -f … ]] is not supported here: there are -n -z -v, and no files'],
  ['[[ a = ]]', 2, "syntax error near unexpected token `]]'"],
  ['echo ${x/a/b}', 2, 'is not supported here: there are ${x:-…}'],
  ['for ((i=0)); do :; done', 2, 'for ((…)) wants three parts'],
  ['((1 +))', 1, 'arithmetic syntax error'],
  ['set -u; echo $x; echo no', 1, 'shell: x: unbound variable'],
  ['set -x', 2, 'set: not supported: there are set -e'],
  ['for do', 2, 'syntax error'],
  ['echo "open', 2, 'unexpected EOF while looking for matching `"\''],
  ['echo $((1/0))', 1, 'division by 0'],
  ['echo {1..1000000}', 1, 'more than 100000 words'],
  ["read -d '' x", 2, "invalid option -- 'd'; here it takes -r -s -p"],
  ['for i in 1; do break x; done', 1, "break: invalid number: 'x'"],
  ['date +%j', 1, '%j: not supported: there are %s %N'],
  ['date +%-d', 1, '%-d: not supported'],
  ['xargs -L1 -n1', 1, '-L goes with none of'],
  ['grep -Q x', 2, "invalid option -- 'Q'; here it takes -E -F"],
  ["echo '{}' | jq 'def f: .; f'", 3, 'this small jq knows'],
  ["echo no | jq .", 2, 'that is no JSON'],
  ['curl --nosuch x', 2, 'option --nosuch: is unknown; here it takes --data'],
  ['curl -F a=b localhost:4151', 2, 'curl has it, but this terminal does not'],
  ['curl -d @file localhost:4151', 26, 'there are no files here; @- takes what is piped in'],
  ['curl -o file localhost:4151', 23, 'there are -o /dev/null and -o -'],
  ['curl https://example.com/', 6, 'there is no network here, only the broker at localhost:4151'],
  ['curl localhost:4151', 7, 'Failed to connect to localhost port 4151: nobody'],
  ['curl -X GET -d x localhost:4151', 2, 'a GET with a body cannot be sent from a page'],
])('what is wrong is said: %s', async (script, status, said) => {
  const ran = await run(nobody, script);
  expect(ran.err).toContain(said);
  expect([ran.status, ran.out]).toEqual([status, '']);
});

test('what stands before a mistake runs', async () => {
  expect(await run(nobody, 'echo a\necho b; (')).toMatchObject({ out: 'a\n', status: 2 });
});

test('curl is silent with -s, and not with -sS', async () => {
  expect(await run(nobody, 'curl -s localhost:4151')).toEqual({ out: '', err: '', status: 7 });
  expect((await run(nobody, 'curl -sS localhost:4151')).err).toContain('curl: (7)');
});

test('-v tells what goes and what comes', async () => {
  const { err } = await run(await broker(), "curl -v -d hello 'localhost:4151/pub?topic=a'");
  expect(err).toContain('> POST /pub?topic=a HTTP/1.1\n> Host: localhost:4151\n> User-Agent: curl/');
  expect(err).toContain('> Content-Type: application/x-www-form-urlencoded\n> Content-Length: 5\n>\n');
  expect(err).toMatch(/^< HTTP\/1.1 200 OK\n(< .*\n)*<\n$/m);
});

test('bytes go through pipes as they are', async () => {
  const host = await broker();
  await run(host, String.raw`printf '\xff\x00\n\x80' | base64 | base64 -d | curl -s --data-binary @- 'localhost:4151/pub?topic=a'`);
  const { out } = await run(host, "curl -s 'localhost:4151/sub?topic=a&channel=c' | base64");
  expect(Buffer.from(out, 'base64')).toEqual(Buffer.from([0xff, 0, 10, 0x80]));
});

test('headers are UTF-8, on the way there and back', async () => {
  const host = await broker();
  const said = await run(host, "curl -s -H 'Shelf-Meta-From: 张三 é' -H $'Shelf-Meta-Raw: \\xe9' -d x 'localhost:4151/pub?topic=a'");
  expect(said).toEqual({ out: 'OK', err: '', status: 0 });
  const { out } = await run(host, "curl -si -w '%header{shelf-meta-from}' 'localhost:4151/sub?topic=a&channel=c'");
  expect(out).toContain('shelf-meta-from: 张三 é\r\n');
  expect(out).toContain('shelf-meta-raw: é\r\n');
  expect(out).toMatch(/x张三 é$/);
});

test('a header is bytes, and a text again where it is UTF-8', () => {
  expect(toHeader('é')).toBe('\xc3\xa9');
  expect(['\xc3\xa9', '\xe9', 'plain'].map(fromHeader)).toEqual(['é', 'é', 'plain']);
});

test('a stream is printed as it comes, and Ctrl-C hangs up', async () => {
  const host = await broker();
  const abort = new AbortController();
  let out = '';
  const shell = newShell(host);
  const running = runScript(host, "curl -N 'localhost:4151/sub?topic=a&channel=c&format=ndjson&stream=true'; echo not this", { out: (text) => (out += text), err: () => {} }, { signal: abort.signal, shell });
  const waiting = async () => (await host.api.stats()).topics?.[0]?.channels[0]?.waiting_count;
  await seen(async () => expect(await waiting()).toBe(1));
  await run(host, "curl -s -d one 'localhost:4151/pub?topic=a'");
  await seen(() => expect(out).toContain('"body":"one"'));
  abort.abort();
  expect(await running).toBe(130);
  expect(out).not.toContain('not this');
  await seen(async () => expect(await waiting()).toBe(0));
  expect(await run(host, 'echo $?', { shell })).toMatchObject({ out: '130\n' });
});

test('who reads no more hangs up a stream', async () => {
  const host = await broker();
  await run(host, "printf 'a\\nb\\n' | curl -s --data-binary @- 'localhost:4151/mpub?topic=a'");
  const { out } = await run(host, "curl -sN 'localhost:4151/sub?topic=a&channel=c&format=ndjson&stream=true&max=10' | head -n 2 | jq -r .body");
  expect(out).toBe('a\nb\n');
});

test('a loop reads a stream line by line', async () => {
  const host = await broker();
  await run(host, "printf 'a\\nb\\nc\\n' | curl -s --data-binary @- 'localhost:4151/mpub?topic=a'");
  const script = `curl -sN 'localhost:4151/sub?topic=a&channel=c&format=ndjson&stream=true&max=10' | while read -r line; do
  echo "got $(echo "$line" | jq -r .body)"
  [ "$((n+=1))" = 3 ] && break
done`;
  expect((await run(host, script)).out).toBe('got a\ngot b\ngot c\n');
});

test.each(["sed -n 's/.*\"body\":\"\\([^\"]*\\)\".*/\\1/p'", 'jq -r .body | xargs -n1', 'jq .body | xargs -L1', 'jq -r .body | xargs -I{} echo {}'])(
  'a line of a stream comes through as soon as it is there: %s',
  async (through) => {
    const host = await broker();
    const abort = new AbortController();
    let out = '';
    const script = `curl -sN 'localhost:4151/sub?topic=a&channel=c&format=ndjson&stream=true' | ${through}`;
    const running = runScript(host, script, { out: (text) => (out += text), err: () => {} }, { signal: abort.signal });
    await run(host, "curl -s -d one 'localhost:4151/pub?topic=a'");
    await seen(() => expect(out).toBe('one\n'));
    abort.abort();
    expect(await running).toBe(130);
  },
);

test('sleep and -m wait for the time of the broker', async () => {
  const clock = new VirtualClock(Date.UTC(2030, 0, 1));
  const host = await broker({ clock });
  const slept = run(host, 'date -u +%FT%TZ; sleep 1m; date -u +%FT%TZ');
  const timed = run(host, "curl -m 30 'localhost:4151/sub?topic=a&channel=c&wait=1m'");
  await seen(async () => expect((await host.api.stats()).topics?.length).toBe(1));
  await run(host, 'x=1; for i in {1..50}; do x=$((x+1)); done');
  clock.advance(31_000);
  expect(await timed).toMatchObject({ status: 28, err: expect.stringContaining('(28) Operation timed out') });
  clock.advance(31_000);
  expect((await slept).out).toBe('2030-01-01T00:00:00Z\n2030-01-01T00:01:02Z\n');
});

test.each(['while true; do :; done', 'for ((;;)); do :; done', 'for i in {1..100000}; do x=$i; done', 'seq 3000000', 'x=$(seq 3000000)', 'seq 3000000 | wc -l', 'seq 3000000 | sort | tail -n 1'])(
  'what takes long can be interrupted: %s',
  async (script) => {
    const abort = new AbortController();
    const running = run(nobody, script, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    expect((await running).status).toBe(130);
  },
);

test('variables and background jobs are there for the next line', async () => {
  const host = await broker();
  const shell = newShell(host);
  await run(host, "x='a b'; curl -s 'localhost:4151/sub?topic=t&channel=c&ack=auto' & job=$!", { shell });
  expect(await run(host, 'echo "$x"; kill $job; wait $job; echo $?', { shell })).toEqual({ out: 'a b\n143\n', err: '', status: 0 });
});

test('kill says which job is no more', async () => {
  const script = 'sleep 0 & sleep 0.05; kill %1; kill $!; kill -FOO 1; wait 5';
  const said = [
    'shell: kill: %1: no such job', 'shell: kill: (1001) - No such process',
    'kill: FOO: invalid signal specification; here there are 0 HUP INT QUIT KILL TERM', 'shell: wait: pid 5 is not a child of this shell',
  ];
  expect(await run(nobody, script)).toEqual({ out: '', err: `${said.join('\n')}\n`, status: 127 });
});

test('where the broker is, is left out of its paths', () => {
  expect(targetOf('https://q.example/mq/pub?topic=a', 'https://q.example/mq').path).toBe('/pub?topic=a');
  expect(targetOf('http://nsqd:4151/mq/pub').path).toBe('/mq/pub');
  expect(targetOf('localhost').path).toBe('/');
  expect(targetOf('http://[::1]:4151/ping')).toMatchObject({ host: '[::1]', port: '4151' });
  expect(() => targetOf('http://a:99999/')).toThrow(CurlError);
});

test('what is incomplete waits for more', () => {
  const open = ["echo 'a", 'for i in 1 2', 'for i in 1 2; do', 'for ((i=0; i<3', 'for ((i=0; i<3; i++)); do', '((1 +', '[[ a = b', '[[ a = b &&', 'echo a |', 'echo a &&', 'echo a \\', 'cat <<E\nx', 'if true; then', '{ echo', 'echo $(', 'x="$(echo "a'];
  expect(open.filter((text) => !incomplete(text))).toEqual([]);
  const whole = ['', '# it\'s', 'echo a', 'echo a &', 'for i in 1; do echo; done', 'cat <<E\nx\nE', ')', 'for ;', 'echo a;'];
  expect(whole.filter(incomplete)).toEqual([]);
});

test('prompts and outputs are no part of what is pasted', () => {
  expect(cleaned('➜  nsq for i in {1..2};do curl x ;done\nOKOK%\n➜  nsq curl y\n', incomplete)).toBe('for i in {1..2};do curl x ;done\ncurl y\n');
  expect(cleaned('$ curl a \\\n> -d b\nOK\n', incomplete)).toBe('curl a \\\n-d b\n');
  expect(cleaned('root@host:~# curl a', incomplete)).toBe('curl a');
  expect(cleaned('curl -d "\n$ 5\n50% off" b', incomplete)).toBe('curl -d "\n$ 5\n50% off" b');
  expect(cleaned('curl a\r\necho $x\n', incomplete)).toBe('curl a\necho $x\n');
  expect(cleaned('$ for i in 1 2; do\n>   curl $i\n> done\nOK\n', incomplete)).toBe('for i in 1 2; do\n  curl $i\ndone\n');
  expect(cleaned("$ curl -d '{\n  \"a\": 1\n}' b\nOK\n$ curl c", incomplete)).toBe("curl -d '{\n  \"a\": 1\n}' b\ncurl c");
  expect(cleaned('$ cat <<EOF\n> one\n>\n> > two\n> EOF\none\n', incomplete)).toBe('cat <<EOF\none\n\n> two\nEOF\n');
  expect(cleaned('# Publish:\n\n$ curl a\nOK\n$ curl b', incomplete)).toBe('curl a\ncurl b');
  expect(cleaned('$ curl -v a\n> GET / HTTP/1.1\n', incomplete)).toBe('curl -v a\n');
  expect(cleaned('$ for i in 1; do\n', incomplete)).toBe('for i in 1; do\n');
  expect(split('a\nb', incomplete)).toEqual({ run: 'a', left: 'b' });
  expect(split('a\nb\n', incomplete)).toEqual({ run: 'a\nb', left: '' });
  expect(split('for i in 1\ndo\n', incomplete)).toEqual({ run: '', left: 'for i in 1\ndo\n' });
});

test('history goes back and forth, and is kept', () => {
  const store = new Map<string, string>();
  const storage = { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, value: string) => void store.set(key, value) };
  const first = new History(storage, 'h');
  for (const entry of ['a', 'b', 'b', ' ', 'c']) first.add(entry);
  const history = new History(storage, 'h');
  expect(['draft', 'x', 'x', 'x'].map((now) => history.back(now))).toEqual(['c', 'b', 'a', undefined]);
  expect([1, 2, 3, 4].map(() => history.forth())).toEqual(['b', 'c', 'draft', undefined]);
  store.set('h', 'no JSON');
  expect(new History(storage, 'h').back('')).toBeUndefined();
});

test('what has a secret is in the history of its tab alone', () => {
  const store = new Map<string, string>();
  const storage = { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, value: string) => void store.set(key, value) };
  const history = new History(storage, 'h');
  const secret = [
    "curl -H 'Authorization: Bearer abc' localhost:4151/stats", 'curl -H authorization:x localhost', 'curl -u me:pass localhost:4151',
    'curl -sSume:pass localhost', 'curl localhost --user me:pass', 'curl --oauth2-bearer abc localhost', 'curl "-u" me:pass localhost',
    'curl http://me:pass@localhost:4151/', 'TOKEN=abc', 'date\ncurl -u a:b localhost',
  ];
  const plain = [
    'date -u; curl localhost:4151', 'curl --url localhost', 'curl --user-agent me localhost', "curl -dqueue 'localhost:4151/pub?topic=user'",
    'curl -XPUT localhost', 'sort -u',
  ];
  for (const entry of [...secret, ...plain]) history.add(entry);
  expect(JSON.parse(store.get('h')!)).toEqual(plain);
  for (let i = 0; i < plain.length; i += 1) history.back('');
  expect(history.back('')).toBe(secret.at(-1));
});

test('the screen gathers what is printed, and forgets the oldest', () => {
  const screen = new Screen();
  screen.write('in', 'for …');
  for (let i = 0; i < 10_000; i += 1) screen.write('out', 'OK');
  screen.flush();
  const text = () => screen.pieces.value.map((piece) => piece.text).join('');
  expect(text()).toBe(`for …${'OK'.repeat(10_000)}`);
  expect(screen.pieces.value.length).toBeLessThan(8);
  for (let i = 0; i < 400; i += 1) screen.write('out', `${'x'.repeat(999)}\n`);
  screen.write('out', 'last😀\x1b[1m!\x1b[0m\r\n');
  screen.flush();
  expect(text().length).toBeLessThanOrEqual(200_000);
  expect(text().endsWith('last😀!\n')).toBe(true);
  screen.write('out', 'a\x1b[2Jb');
  screen.flush();
  expect(text()).toBe('b');
});

test('keys change a line as in a shell', () => {
  expect(edited('a', 'x\nabc', 4)).toEqual({ text: 'x\nabc', caret: 2 });
  expect(edited('e', 'abc\nx', 1)).toEqual({ text: 'abc\nx', caret: 3 });
  expect(edited('u', 'abc', 2)).toEqual({ text: 'c', caret: 0 });
  expect(edited('k', 'abc', 1)).toEqual({ text: 'a', caret: 1 });
  expect(edited('z', 'abc', 1)).toBeUndefined();
});

test('where the caret is', () => {
  expect(placeOf("curl -d 'a b' 'loc")).toMatchObject({ before: ['curl', '-d', 'a b'], from: 14, quote: "'", word: 'loc' });
  expect(placeOf('echo a; for i in 1; do cu')).toMatchObject({ before: [], word: 'cu' });
  expect(placeOf('x | ')).toMatchObject({ before: [], word: '', from: 4 });
  expect(placeOf('echo "$(curl -')).toMatchObject({ before: ['curl'], word: '-', quote: '' });
});

test('what can stand there: commands, options, the API, and what the broker has', async () => {
  const host = await broker();
  await host.api.topic('create', 'books');
  await host.api.topic('create', 'bones');
  await host.api.channel('create', 'books', 'reader');
  const completer = new Completer(host);
  const at = async (text: string) => {
    const found = await completer.at(text);
    return found?.choices.map((choice) => text.slice(0, found.from) + choice) ?? [];
  };
  expect(await at('cu')).toEqual(['curl ', 'cut ']);
  expect(await at('curl --data-b')).toEqual(['curl --data-binary ']);
  expect(await at('curl -X P')).toEqual(['curl -X POST', 'curl -X PUT']);
  expect(await at('curl lo')).toEqual(['curl localhost:4151/']);
  expect(await at('curl localhost:4151/pu')).toEqual(["curl 'localhost:4151/pub?"]);
  expect(await at('curl http://nsqd:1/topic/e')).toEqual(["curl 'http://nsqd:1/topic/empty?"]);
  expect(await at("curl 'localhost:4151/pub?topic=bo")).toEqual(["curl 'localhost:4151/pub?topic=bones", "curl 'localhost:4151/pub?topic=books"]);
  expect(await at("curl 'localhost:4151/sub?topic=books&cha")).toEqual(["curl 'localhost:4151/sub?topic=books&channel="]);
  expect(await at("curl 'localhost:4151/sub?topic=books&channel=")).toEqual(["curl 'localhost:4151/sub?topic=books&channel=reader"]);
  expect(await at("curl 'localhost:4151/sub?ack=a")).toEqual(["curl 'localhost:4151/sub?ack=auto"]);
  expect(await at("curl 'localhost:4151/nosuch?x")).toEqual([]);
  receipts.value = { 'books/reader': '1-abc' };
  expect(await at("curl 'localhost:4151/fin?topic=books&channel=reader&receipt=")).toEqual([
    "curl 'localhost:4151/fin?topic=books&channel=reader&receipt=1-abc",
  ]);
  expect(await at('echo x')).toEqual([]);
  expect(await at("curl -d 'loc")).toEqual([]);
  const found = await completer.at("curl 'localhost:4151/pub?topic=bo");
  expect(found?.choices[0]?.slice(found.shown)).toBe('bones');
  expect(found?.start).toBe("'localhost:4151/pub?topic=bo");
});
