// The page without a network: a service worker keeps the app's own files.

export function offline(): void {
  // A page that is served by Vite as it is written has nothing to keep.
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return;
  const keep = () =>
    navigator.serviceWorker.register('./sw.js').catch(() => {
      // The page works without it.
    });
  // Nothing that is seen waits for what is kept.
  if (document.readyState === 'complete') void keep();
  else addEventListener('load', () => void keep(), { once: true });
}
