// The one interface that the whole app stands on.

/** What the broker in this page is taken to be reached by, in commands that are shown and for paths alone. */
export const ORIGIN = 'http://localhost:4151';

/** A broker: the one in this page, one behind a URL, or a moment of a recording. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** What a broker answered that was no success. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The code, as `TOPIC_NOT_FOUND`. */
    readonly code: string,
    /** A sentence a person can act on. */
    readonly detail: string,
  ) {
    super(detail || code);
    this.name = 'ApiError';
  }
}

/** What went wrong, in its own words. */
export function reason(why: unknown): string {
  return why instanceof Error ? why.message : String(why);
}

/** The answer, where it is a success; an {@link ApiError} where it is not. */
export async function ok(answer: Promise<Response> | Response): Promise<Response> {
  const response = await answer;
  if (response.ok) return response;
  const text = await response.text();
  let code = `HTTP ${response.status}`;
  let detail = text;
  try {
    const json = JSON.parse(text) as { message?: string; detail?: string };
    code = json.message ?? code;
    detail = json.detail ?? '';
  } catch {
    // A proxy's own page.
  }
  throw new ApiError(response.status, code, detail);
}

/** A path with parameters; what is undefined is left out. */
export function path(at: string, params: Record<string, string | number | boolean | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? at : `${at}?${text}`;
}
