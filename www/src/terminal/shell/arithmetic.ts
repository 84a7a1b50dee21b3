// Whole-number arithmetic, as `$((…))` has it.

const TOKEN = /\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|\+\+|--|[-+*/%]=|=(?!=)|\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%()<>!~&|^?:])/y;

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
  get(name: string): string | undefined;
  set(name: string, value: string): void;
}

/** The value of an expression; a name stands for its variable, which counts as 0 where it is empty. */
export function arithmetic(text: string, variables: Variables, depth = 0): bigint {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
    const token = TOKEN.exec(text)?.[1];
    if (token === undefined) throw new Error(`${text.trim()}: arithmetic syntax error at "${text.slice(at).trim()}"`);
    tokens.push(token);
  }
  let at = 0;
  const wrong = () => new Error(`${text.trim()}: arithmetic syntax error`);

  const valueOf = (name: string): bigint => {
    // A variable may hold an expression, even one with itself in it.
    if (depth > 50) throw new Error(`${name}: expression recursion level exceeded`);
    return arithmetic(variables.get(name) || '0', variables, depth + 1);
  };
  const assign = (name: string, value: bigint): bigint => {
    variables.set(name, String(value));
    return value;
  };
  const named = (name: string): bigint => {
    const operator = tokens[at] ?? '';
    const old = () => valueOf(name);
    if (operator === '=') return ((at += 1), assign(name, choice()));
    if (/^[-+*/%]=$/.test(operator)) return ((at += 1), assign(name, apply(operator[0]!, old(), choice())));
    if (operator !== '++' && operator !== '--') return old();
    at += 1;
    const before = old();
    assign(name, operator === '++' ? before + 1n : before - 1n);
    return before;
  };
  const one = (): bigint => {
    const token = tokens[at++];
    if (token === undefined) throw wrong();
    if (token === '(') {
      const value = choice();
      if (tokens[at++] !== ')') throw wrong();
      return value;
    }
    if (token === '-') return -one();
    if (token === '+') return one();
    if (token === '!') return BigInt(one() === 0n);
    if (token === '~') return ~one();
    let value: bigint;
    if (/^[A-Za-z_]/.test(token)) {
      value = named(token);
    } else if ((token === '++' || token === '--') && /^[A-Za-z_]/.test(tokens[at] ?? '')) {
      const name = tokens[at++]!;
      value = assign(name, valueOf(name) + (token === '++' ? 1n : -1n));
    } else if (/^\d/.test(token)) {
      value = BigInt(/^0[0-7]+$/.test(token) ? `0o${token.slice(1)}` : token);
    } else {
      throw wrong();
    }
    if (tokens[at] !== '**') return value;
    at += 1;
    return value ** one();
  };
  const level = (index: number): bigint => {
    const operators = LEVELS[index];
    if (!operators) return one();
    let value = level(index + 1);
    while (operators.includes(tokens[at] ?? '')) value = BigInt.asIntN(64, apply(tokens[at++]!, value, level(index + 1)));
    return value;
  };
  const choice = (): bigint => {
    const test = level(0);
    if (tokens[at] !== '?') return test;
    at += 1;
    const yes = choice();
    if (tokens[at++] !== ':') throw wrong();
    const no = choice();
    return test !== 0n ? yes : no;
  };

  if (tokens.length === 0) return 0n;
  const value = choice();
  if (at < tokens.length) throw wrong();
  return value;
}
