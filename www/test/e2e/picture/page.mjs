// The picture alone, with a pretended broker: built and served for a test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, preview } from 'vite';

/** Builds the page and serves it; `close` ends that. */
export async function servePicture() {
  const root = fileURLToPath(new URL('.', import.meta.url));
  const outDir = mkdtempSync(join(tmpdir(), 'picture-'));
  const options = { root, base: './', configFile: false, logLevel: 'error' };
  await build({ ...options, build: { outDir, emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 }, oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } } });
  const server = await preview({ ...options, build: { outDir }, preview: { host: '127.0.0.1', port: 0 } });
  const { port } = server.httpServer.address();
  return {
    url: `http://127.0.0.1:${port}/`,
    close: async () => {
      await server.close();
      rmSync(outDir, { recursive: true, force: true });
    },
  };
}
