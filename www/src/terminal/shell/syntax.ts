// What a script consists of, once it is read.

export type Part =
  | { kind: 'text'; text: string; quoted: boolean }
  | { kind: 'variable'; name: string; quoted: boolean; change?: Change }
  | { kind: 'command'; list: List; quoted: boolean }
  | { kind: 'arithmetic'; word: Word; quoted: boolean };

/** What `${x…}` does beyond telling the value. */
export type Change =
  | { kind: 'length' }
  /** `:-` and so on: with `empty`, an empty value counts as none. */
  | { kind: 'default' | 'assign' | 'alternative'; empty: boolean; word: Word }
  | { kind: 'prefix' | 'suffix'; longest: boolean; word: Word };

export type Word = Part[];

export type Redirect =
  | { kind: 'from'; fd: number; target: Word }
  | { kind: 'to'; fd: number; target: Word }
  | { kind: 'copy'; fd: number; of: number }
  /** What stands in the script itself. */
  | { kind: 'here'; fd: number; content: Word };

export interface Simple {
  kind: 'simple';
  assignments: { name: string; word: Word }[];
  words: Word[];
  redirects: Redirect[];
}

export type Condition =
  | { kind: 'not'; of: Condition }
  | { kind: 'both'; left: Condition; right: Condition }
  | { kind: 'either'; left: Condition; right: Condition }
  /** With one side alone, the other one is empty. */
  | { kind: 'is'; operator: Operator; left: Word; right: Word };

export type Operator = '-n' | '-z' | '-v' | '=' | '==' | '!=' | '=~' | '<' | '>' | '-eq' | '-ne' | '-lt' | '-le' | '-gt' | '-ge';

export type Compound = (
  | { kind: 'for'; name: string; words: Word[]; body: List }
  /** `for ((start; test; step))`. */
  | { kind: 'count'; start: Word; test: Word; step: Word; body: List }
  | { kind: 'arithmetic'; word: Word }
  | { kind: 'condition'; condition: Condition }
  | { kind: 'while'; until: boolean; test: List; body: List }
  | { kind: 'if'; branches: { test: List; body: List }[]; otherwise?: List }
  | { kind: 'group'; body: List }
  | { kind: 'subshell'; body: List }
) & { redirects: Redirect[] };

export type Command = Simple | Compound;

export interface Pipeline {
  commands: Command[];
  negated: boolean;
  timed: boolean;
}

export interface AndOr {
  first: Pipeline;
  rest: { when: '&&' | '||'; pipeline: Pipeline }[];
  background: boolean;
}

export type List = AndOr[];

/** The script is no shell, or more than this one can do. */
export class BadSyntax extends Error {
  constructor(
    message: string,
    /** It is right so far, but not at its end. */
    readonly incomplete = false,
  ) {
    super(message);
    this.name = 'BadSyntax';
  }
}
