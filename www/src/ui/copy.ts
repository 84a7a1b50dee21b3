/** Puts a text onto the clipboard: also for a page that came without TLS, to which browsers give no clipboard. */
export async function copy(text: string): Promise<void> {
  const { clipboard } = navigator as { clipboard?: Clipboard };
  if (clipboard) return clipboard.writeText(text);
  const told = (event: ClipboardEvent) => {
    event.preventDefault();
    event.clipboardData?.setData('text/plain', text);
  };
  document.addEventListener('copy', told, { once: true });
  // Not to be used any more, says the standard; there is nothing else.
  const isDone = document.execCommand('copy');
  document.removeEventListener('copy', told);
  if (!isDone) throw new Error('This browser lets no page copy.');
}
