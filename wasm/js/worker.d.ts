// A dedicated worker that has a broker: see `hostBroker` of `shelfmq/tab`. It exports nothing.
export {};
