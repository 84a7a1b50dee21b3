// The moving things, on a canvas above the picture: only as large as what can be seen of it.
import { count } from '../app/texts.js';
import type { Scene } from './nodes.js';
import { type Colour, type Motion, STREAM } from './motion.js';
import { type Point, at } from './path.js';

type Colours = Record<Colour | 'label' | 'labelInk', string>;

const VARIABLES: Record<keyof Colours, string> = {
  ready: '--ready',
  in_flight: '--in-flight',
  deferred: '--deferred',
  dead: '--dead',
  finished: '--finished',
  timed_out: '--in-flight',
  label: '--card',
  labelInk: '--ink-soft',
};

/** The theme's colours as they are right now; a canvas knows no variables. */
export function colours(within: HTMLElement): Colours {
  const probe = document.createElement('span');
  probe.hidden = true;
  within.append(probe);
  const found = {} as Colours;
  for (const [name, variable] of Object.entries(VARIABLES)) {
    probe.style.color = `var(${variable})`;
    found[name as keyof Colours] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

export class Layer {
  readonly #context: CanvasRenderingContext2D;
  #size = '';
  colours: Colours;

  constructor(
    readonly canvas: HTMLCanvasElement,
    /** What scrolls beneath it. */
    readonly view: HTMLElement,
  ) {
    this.#context = canvas.getContext('2d')!;
    this.colours = colours(view);
  }

  /** Puts the canvas over what can be seen of the view; answers which part of the scene that is. */
  #fit(): { x: number; y: number; w: number; h: number } {
    const { view, canvas } = this;
    const box = view.getBoundingClientRect();
    const top = Math.max(0, -box.top);
    const w = view.clientWidth;
    const h = Math.max(0, Math.min(view.clientHeight, innerHeight - box.top) - top);
    const scale = devicePixelRatio;
    const size = `${w} ${h} ${top} ${scale}`;
    if (size !== this.#size) {
      this.#size = size;
      canvas.width = Math.round(w * scale);
      canvas.height = Math.round(h * scale);
      canvas.style.width = `${w}px`;
      canvas.style.height = `${h}px`;
      canvas.style.top = `${top}px`;
    }
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#context.clearRect(0, 0, w, h);
    return { x: view.scrollLeft, y: view.scrollTop + top, w, h };
  }

  draw(scene: Scene, motion: Motion, particles: boolean): void {
    const context = this.#context;
    const { x, y, h } = this.#fit();
    context.translate(-x, -y);
    const streams = motion.streams();
    for (const stream of bundles(scene, streams)) this.#stream(stream);
    if (particles) this.#particles(scene, motion, y, y + h);
    context.globalAlpha = 1;
    for (const [[x, y], rate] of labels(scene, streams)) this.#label(x, y, rate);
  }

  #stream({ lines, rate, colour }: Bundle): void {
    const context = this.#context;
    context.globalAlpha = 0.22;
    context.strokeStyle = this.colours[colour];
    context.lineWidth = 2 + Math.min(6, Math.log10(rate) * 2);
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.beginPath();
    for (const points of lines) {
      for (const [i, [px, py]] of points.entries()) if (i === 0) context.moveTo(px, py); else context.lineTo(px, py);
    }
    context.stroke();
  }

  #particles(scene: Scene, motion: Motion, top: number, bottom: number): void {
    const context = this.#context;
    const size = scene.channels.length > 8 ? 3.2 : 4.2;
    for (const { edge, colour, t, fades } of motion.particles) {
      const line = t < 0 ? undefined : scene.edges.get(edge);
      if (!line) continue;
      // It sets out gently, and slows down before it is there; in a stream, all go alike.
      const many = motion.rate(edge) > STREAM;
      const [px, py] = at(line.path, many || fades ? t : t * t * (3 - 2 * t));
      if (py < top - 10 || py > bottom + 10) continue;
      context.globalAlpha = fades ? 1 - t : Math.min(1, t * 8, (1 - t) * 8 + 0.2);
      context.beginPath();
      context.arc(px, py, many ? 2.6 : size, 0, 2 * Math.PI);
      if (colour === 'timed_out') {
        context.strokeStyle = this.colours[colour];
        context.lineWidth = 2;
        context.stroke();
      } else {
        context.fillStyle = this.colours[colour];
        context.fill();
      }
    }
  }

  #label(x: number, y: number, rate: number): void {
    const context = this.#context;
    const text = `${count(rounded(rate))}/s`;
    context.font = '600 11px system-ui, sans-serif';
    const w = context.measureText(text).width + 10;
    context.fillStyle = this.colours.label;
    context.globalAlpha = 0.92;
    context.beginPath();
    context.roundRect(x - w / 2, y - 9, w, 18, 9);
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = this.colours.labelInk;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillText(text, x, y + 0.5);
  }
}

/** Streams that share a part of their way: they are drawn at once, so that where they do they are no darker. */
interface Bundle {
  lines: (readonly Point[])[];
  rate: number;
  colour: Colour;
}

function bundles(scene: Scene, streams: ReturnType<Motion['streams']>): Bundle[] {
  const found = new Map<string, Bundle>();
  for (const [edge, rate, colour] of streams) {
    const line = rate > STREAM ? scene.edges.get(edge) : undefined;
    if (!line) continue;
    const from = `${edge.slice(0, edge.lastIndexOf('/'))} ${colour}`;
    const same = found.get(from);
    if (same) {
      same.lines.push(line.path.points);
      same.rate = Math.max(same.rate, rate);
    } else {
      found.set(from, { lines: [line.path.points], rate, colour });
    }
  }
  return [...found.values()];
}

/** Where rates are said: of what comes in, of what each channel gives out, and of what each consumer finishes. */
export function labels(scene: Scene, streams: ReturnType<Motion['streams']>): [Point, number][] {
  const found: [Point, number][] = [];
  const out = new Map<string, number>();
  for (const [edge, rate] of streams) {
    const line = scene.edges.get(edge);
    const kind = edge.slice(0, edge.indexOf(':'));
    if (!line) continue;
    if (kind === 'c') {
      const channel = edge.slice(2).split('/').slice(0, 2).join('/');
      out.set(channel, (out.get(channel) ?? 0) + rate);
    } else if (rate > STREAM && (kind === 'p' || kind === 'in' || (kind === 'f' && scene.wide))) {
      found.push([at(line.path, 0.5), rate]);
    }
  }
  for (const { key, x, y, w, h, density, dead } of scene.channels) {
    const rate = out.get(key) ?? 0;
    if (rate <= STREAM) continue;
    if (!scene.wide) {
      if (density === 'full') found.push([[x + 36, (dead ? dead.y + dead.h : y + h) + 11], rate]);
      continue;
    }
    const gap = scene.consumers[0] ? scene.consumers[0].x - x - w : 0;
    found.push([[x + w + gap / 2, y + Math.min(26, h / 2)], rate]);
  }
  return found;
}

/** Two digits are enough for something that changes all the time. */
export function rounded(rate: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, rate))) - 1);
  return Math.round(rate / unit) * unit;
}
