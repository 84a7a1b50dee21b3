/**
 * What a visit looks at before anything is done, by path and query: the first part of a module in two parts does for it,
 * where the broker is empty. `tools/visit.mjs` visits one so, and what it calls is in the first part.
 */
export const isFirstLook = (target) => /^\/stats\?format=json(&include_(clients|mem)=(true|false))*$/.test(target);
