import { defineConfig } from 'vite';

export default defineConfig({
  // It can be hosted in any directory of any site.
  base: './',
  worker: { format: 'es' },
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { fs: { allow: ['..'] } },
});
