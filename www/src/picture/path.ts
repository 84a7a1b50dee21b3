// Ways that messages take: lines with rounded corners, kept as short straight pieces, so that what is drawn and what
// moves along it are one and the same.

export type Point = readonly [x: number, y: number];

export interface Path {
  points: readonly Point[];
  /** How far it is to each point. */
  far: readonly number[];
  length: number;
}

const PIECES = 6;

/** A line through these corners, each of them rounded. */
export function path(corners: readonly Point[], radius = 12): Path {
  const points: Point[] = [corners[0]!];
  for (let i = 1; i < corners.length - 1; i += 1) {
    const corner = corners[i]!;
    const into = toward(corner, corners[i - 1]!, radius);
    const out = toward(corner, corners[i + 1]!, radius);
    for (let piece = 0; piece <= PIECES; piece += 1) points.push(curve(into, corner, out, piece / PIECES));
  }
  points.push(corners.at(-1)!);
  const far = [0];
  for (let i = 1; i < points.length; i += 1) far.push(far[i - 1]! + distance(points[i - 1]!, points[i]!));
  return { points, far, length: far.at(-1)! };
}

/** A way from one column to the next: along, up or down a rail, and along again. */
export function step(from: Point, to: Point, rail: number): Path {
  if (Math.abs(from[1] - to[1]) < 1) return path([from, to]);
  return path([from, [rail, from[1]], [rail, to[1]], to]);
}

/** Where on it one is; `t` from 0 to 1. */
export function at({ points, far, length }: Path, t: number): Point {
  const want = Math.max(0, Math.min(1, t)) * length;
  let i = 1;
  while (i < far.length - 1 && far[i]! < want) i += 1;
  const [ax, ay] = points[i - 1]!;
  const [bx, by] = points[i]!;
  const piece = far[i]! - far[i - 1]!;
  const part = piece === 0 ? 0 : (want - far[i - 1]!) / piece;
  return [ax + (bx - ax) * part, ay + (by - ay) * part];
}

/** As SVG has it. */
export function svg({ points }: Path): string {
  return points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}

function distance([ax, ay]: Point, [bx, by]: Point): number {
  return Math.hypot(bx - ax, by - ay);
}

/** From a corner on the way to another point: so far, but never past its middle. */
function toward(from: Point, to: Point, far: number): Point {
  const all = distance(from, to);
  const part = all === 0 ? 0 : Math.min(far, all / 2) / all;
  return [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part];
}

function curve(a: Point, b: Point, c: Point, t: number): Point {
  const mix = (i: 0 | 1) => (1 - t) ** 2 * a[i] + 2 * t * (1 - t) * b[i] + t ** 2 * c[i];
  return [mix(0), mix(1)];
}
