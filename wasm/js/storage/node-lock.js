// The lock of a data directory in Node, which is the one that a server takes (flock).
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

import { BrokerError, inUse } from '../errors.js';

/** What the lock file says. */
const MARK = 'shelfmq data 1\n';
const MARK_START = 'shelfmq data ';
/** One who is just going down is waited for: so often, each time for so many milliseconds. */
const TRIES = 20;
const TRY_MS = 50;

/**
 * What takes such a lock on Linux, for Node has no call for it: a program that is given the open file as its file 3, and ends.
 * The lock belongs to the open file, which is this process's too: it stays until that is closed, and goes with this process
 * however that ends. Each ends with 1 where somebody else has it.
 */
const PYTHON = 'import fcntl, sys\ntry: fcntl.flock(3, fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept BlockingIOError: sys.exit(1)';
const PERL = 'use Fcntl qw(:flock); open(my $f, "+<&=3") or open($f, "<&=3") or exit 2; exit(flock($f, LOCK_EX | LOCK_NB) ? 0 : $!{EWOULDBLOCK} ? 1 : 2)';
const PROGRAMS = [
  ['flock', ['-x', '-n', '3']],
  ['perl', ['-MErrno', '-e', PERL]],
  ['python3', ['-c', PYTHON]],
];

/** Flags with which other systems lock what they open: macOS and the BSDs with a lock like that, Windows against all others. */
const LOCKING = {
  darwin: 0x20 | constants.O_NONBLOCK,
  freebsd: 0x20 | constants.O_NONBLOCK,
  openbsd: 0x20 | constants.O_NONBLOCK,
  win32: 0x10000000,
};

/** Locks a file or a directory for as long as what comes back is open; undefined where somebody else has it. */
async function locked(path, flags) {
  const locking = LOCKING[process.platform];
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (tries > 0) await new Promise((done) => setTimeout(done, TRY_MS));
    if (locking !== undefined) {
      try {
        return await open(path, flags | locking, 0o600);
      } catch (why) {
        if (!['EAGAIN', 'EWOULDBLOCK', 'EBUSY'].includes(why.code)) throw why;
        continue;
      }
    }
    const file = await open(path, flags, 0o600);
    try {
      if (await flock(file.fd)) return file;
    } catch (why) {
      await file.close();
      throw why;
    }
    await file.close();
  }
  return undefined;
}

async function flock(fd) {
  for (const [program, given] of PROGRAMS) {
    const code = await run(program, given, fd);
    if (code === undefined) continue;
    if (code === 0 || code === 1) return code === 0;
    throw new BrokerError('NO_LOCK', `the data directory cannot be locked: ${program} ended with ${code}`);
  }
  const names = PROGRAMS.map(([name]) => name).join(', ');
  throw new BrokerError(
    'NO_LOCK',
    `nothing here can lock the data directory, and without a lock another broker would write to the same files: Node needs ` +
      `one of ${names} for that (flock is in util-linux)`,
  );
}

/** What a program ends with; undefined where there is none of this name, or none that can be run. */
function run(program, given, fd) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, given, { stdio: ['ignore', 'ignore', 'ignore', fd] });
    child.once('error', (why) => (why.code === 'ENOENT' ? resolve(undefined) : reject(why)));
    child.once('close', (code) => resolve(code === 126 || code === 127 ? undefined : (code ?? 2)));
  });
}

/** Takes the lock file of a data directory; the file is to be closed to let it go. */
export async function lockFile(path, directory) {
  const file = await locked(path, constants.O_RDWR | constants.O_CREAT);
  if (!file) throw inUse(`the data directory ${directory}`);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(64), 0, 64, 0);
    // After a crash right at its making it may be empty, or unwritten.
    const said = buffer.subarray(0, bytesRead).toString().replaceAll('\0', '');
    if (said === '') {
      await file.write(MARK, 0);
      await file.sync();
    } else if (said !== MARK) {
      const what = said.startsWith(MARK_START)
        ? `has version ${said.slice(MARK_START.length).trim()}, and only version 1 is known here`
        : 'is no data directory of shelfmq: its lock file is something else';
      throw new BrokerError('NO_DATA_DIRECTORY', `${directory} ${what}`);
    }
    return file;
  } catch (why) {
    await file.close();
    throw why;
  }
}

/** Takes the lock on a directory itself, which holds also where somebody made a new lock file. */
export async function lockDirectory(path, directory) {
  // There, a directory cannot be opened.
  if (process.platform === 'win32') return undefined;
  const file = await locked(path, constants.O_RDONLY | constants.O_DIRECTORY);
  if (!file) throw inUse(`the data directory ${directory}`);
  return file;
}
