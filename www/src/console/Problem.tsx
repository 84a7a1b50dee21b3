import { ApiError } from '../broker/fetch.js';
import { sentence } from '../ui/errors.js';
import style from './Console.module.css';

/** What went wrong, where something did. That a token is wanted is asked for elsewhere. */
export function Problem({ error }: { error: unknown }) {
  if (error === undefined || (error instanceof ApiError && error.status === 401)) return null;
  return (
    <p class={style['wrong']} role="alert">
      {sentence(error)}
    </p>
  );
}
