/** The store can't be used as it is set up; the message is one sentence that names what to change. */
export class StoreSetupError extends Error {
  override readonly name = 'StoreSetupError';
}
