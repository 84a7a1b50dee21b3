import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/** Puts a packed copy beside each file that is worth it, for servers that send what a browser takes. */
function packed(): Plugin {
  let out = '';
  return {
    name: 'packed',
    apply: 'build',
    configResolved(config) {
      out = config.build.outDir;
    },
    closeBundle() {
      const assets = join(out, 'assets');
      // A build that failed has none, and its own error to tell.
      if (!existsSync(assets)) return;
      for (const name of readdirSync(assets).filter((name) => /\.(js|css|wasm)$/.test(name))) {
        const file = join(assets, name);
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
      }
    },
  };
}

/** Tells the service worker which files there are. */
function offline(): Plugin {
  let out = '';
  return {
    name: 'offline',
    apply: 'build',
    configResolved(config) {
      out = config.build.outDir;
    },
    closeBundle() {
      const worker = join(out, 'sw.js');
      if (!existsSync(worker)) return;
      const files = (readdirSync(out, { recursive: true }) as string[]).filter((name) => /\.(js|css|wasm|svg|webmanifest)$/.test(name) && name !== 'sw.js');
      const version = createHash('sha256');
      for (const name of ['index.html', ...files].sort()) version.update(name).update(readFileSync(join(out, name)));
      const list = JSON.stringify(['./', ...files.sort()]);
      const text = readFileSync(worker, 'utf8').replace('const FILES = []', `const FILES = ${list}`).replace("'unbuilt'", `'${version.digest('hex').slice(0, 16)}'`);
      writeFileSync(worker, text);
    },
  };
}

export default defineConfig({
  // It can be hosted in any directory of any site.
  base: './',
  plugins: [packed(), offline()],
  worker: { format: 'es' },
  build: { outDir: 'dist/app', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { fs: { allow: ['..'] } },
});
