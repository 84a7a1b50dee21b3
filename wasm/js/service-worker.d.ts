// A service worker, or a part of one, that brings a page's requests to the broker of `shelfmq/tab`. It exports nothing.
export {};
