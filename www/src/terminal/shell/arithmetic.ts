// Whole-number arithmetic, as `$((…))` has it.

const TOKEN = /\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|\+\+|--|[-+*/%]=|=(?!=)|\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%()<>!~&|^?:,])/y;

const LEVELS: readonly string[][] = [
  ['||'], ['&&'], ['|'], ['^'], ['&'], ['==', '!='], ['<=', '>=', '<', '>'], ['<<', '>>'], ['+', '-'], ['*', '/', '%'],
];

function apply(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '||': return BigInt(a !== 0n || b !== 0n);
    case '&&': return BigInt(a !== 0n && b !== 0n);
    case '|': return a | b;
    case '^': return a ^ b;
    case '&': return a & b;
    case '==': return BigInt(a === b);
    case '!=': return BigInt(a !== b);
    case '<=': return BigInt(a <= b);
    case '>=': return BigInt(a >= b);
    case '<': return BigInt(a < b);
    case '>': return BigInt(a > b);
    case '<<': return a << (b & 63n);
    case '>>': return a >> (b & 63n);
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
  }
  if (b === 0n) throw new Error('division by 0');
  return operator === '/' ? a / b : a % b;
}

export interface Variables {
  needed(name: string): string;
  set(name: string, value: string): void;
}

class Expression {
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(
    readonly text: string,
    readonly variables: Variables,
    readonly depth: number,
  ) {
    TOKEN.lastIndex = 0;
    for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
      const token = TOKEN.exec(text)?.[1];
      if (token === undefined) throw new Error(`${text.trim()}: arithmetic syntax error at "${text.slice(at).trim()}"`);
      this.#tokens.push(token);
    }
  }

  whole(): bigint {
    if (this.#tokens.length === 0) return 0n;
    let value = this.#choice();
    while (this.#take(',')) value = this.#choice();
    if (this.#at < this.#tokens.length) throw this.#wrong();
    return value;
  }

  #wrong(): Error {
    return new Error(`${this.text.trim()}: arithmetic syntax error`);
  }

  get #next(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #take(token: string): boolean {
    if (this.#next !== token) return false;
    this.#at += 1;
    return true;
  }

  #choice(): bigint {
    const test = this.#level(0);
    if (!this.#take('?')) return test;
    const yes = this.#choice();
    if (!this.#take(':')) throw this.#wrong();
    const no = this.#choice();
    return test !== 0n ? yes : no;
  }

  #level(index: number): bigint {
    const operators = LEVELS[index];
    if (!operators) return this.#power();
    let value = this.#level(index + 1);
    while (operators.includes(this.#next)) {
      const operator = this.#next;
      this.#at += 1;
      value = BigInt.asIntN(64, apply(operator, value, this.#level(index + 1)));
    }
    return value;
  }

  #power(): bigint {
    const value = this.#one();
    return this.#take('**') ? BigInt.asIntN(64, value ** this.#power()) : value;
  }

  #one(): bigint {
    const token = this.#next;
    this.#at += 1;
    if (token === '(') {
      const value = this.#choice();
      if (!this.#take(')')) throw this.#wrong();
      return value;
    }
    if (token === '-') return -this.#one();
    if (token === '+') return this.#one();
    if (token === '!') return BigInt(this.#one() === 0n);
    if (token === '~') return ~this.#one();
    if ((token === '++' || token === '--') && /^[A-Za-z_]/.test(this.#next)) {
      const name = this.#next;
      this.#at += 1;
      return this.#assign(name, this.#valueOf(name) + (token === '++' ? 1n : -1n));
    }
    if (/^[A-Za-z_]/.test(token)) return this.#named(token);
    if (/^\d/.test(token)) return BigInt(/^0[0-7]+$/.test(token) ? `0o${token.slice(1)}` : token);
    throw this.#wrong();
  }

  /** A variable, and what is done to it. */
  #named(name: string): bigint {
    const operator = this.#next;
    if (!/^([-+*/%]?=|\+\+|--)$/.test(operator)) return this.#valueOf(name);
    this.#at += 1;
    if (operator === '=') return this.#assign(name, this.#choice());
    const before = this.#valueOf(name);
    if (operator.endsWith('=')) return this.#assign(name, apply(operator[0]!, before, this.#choice()));
    this.#assign(name, operator === '++' ? before + 1n : before - 1n);
    return before;
  }

  #valueOf(name: string): bigint {
    // A variable may hold an expression, even one with itself in it.
    if (this.depth > 50) throw new Error(`${name}: expression recursion level exceeded`);
    return new Expression(this.variables.needed(name) || '0', this.variables, this.depth + 1).whole();
  }

  #assign(name: string, value: bigint): bigint {
    this.variables.set(name, String(value));
    return value;
  }
}

/** The value of an expression; a name stands for its variable, which counts as 0 where it is empty. */
export function arithmetic(text: string, variables: Variables): bigint {
  return new Expression(text, variables, 0).whole();
}
