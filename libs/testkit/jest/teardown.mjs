/** Runs once after all specs. */
export default async () => {
  await globalThis.signalboxRunServers?.stop();
};
