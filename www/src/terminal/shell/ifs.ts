// How values fall apart: at what the variable IFS has, blanks where it is not set.

export const BLANKS = ' \t\n';

/** A pattern for one of these characters; for none, it never matches. */
const one = (chars: string[]) => `[${chars.map((c) => c.replace(/[\\\]^-]/, '\\$&')).join('')}]`;

/** Patterns for blanks of IFS, and for what stands between two fields. */
function patterns(ifs = BLANKS) {
  const blank = one([...ifs].filter((c) => BLANKS.includes(c)));
  const other = one([...ifs].filter((c) => !BLANKS.includes(c)));
  return { blank, between: `${blank}*${other}${blank}*|${blank}+` };
}

/** The pieces of an unquoted value: fields, and what stands between them; `ends` is where even an empty field ends. */
export function* pieces(text: string, ifs: string | undefined): Generator<{ text: string; between: boolean; ends: boolean }> {
  const { between } = patterns(ifs);
  for (const [i, piece] of text.split(new RegExp(`(${between})`)).entries()) {
    if (i % 2 === 1) yield { text: piece, between: true, ends: /[^ \t\n]/.test(piece) };
    else if (piece !== '') yield { text: piece, between: false, ends: false };
  }
}

/** A line as `read` gives it to so many names: the last one has what is left. */
export function shared(line: string, count: number, ifs: string | undefined, raw: boolean): string[] {
  const { blank, between } = patterns(ifs);
  // Without -r, what stands behind a backslash is a plain character.
  const char = raw ? '[^]' : '(?:\\\\[^]|[^\\\\])';
  const field = `((?:(?!${between})${char})*)`;
  const values: string[] = [];
  let rest = line.replace(new RegExp(`^${blank}+`), '');
  while (values.length < count - 1) {
    const [all, value] = new RegExp(`^${field}(?:${between})?`).exec(rest)!;
    values.push(value!);
    rest = rest.slice(all.length);
  }
  const last = new RegExp(`^${field}(?:${between})?$`).exec(rest) ?? new RegExp(`^((?:(?!${blank}*$)${char})*)`).exec(rest)!;
  return [...values, last[1]!].map((value) => (raw ? value : value.replace(/\\([^])/g, '$1')));
}
