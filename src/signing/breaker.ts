/**
 * A signer that is a service, behind a circuit breaker and bounded in time. A signature that comes too late is thrown
 * away: nothing was stored under it. (A key in this process needs neither.)
 */
import { Circuit, CircuitOpenError } from '../circuit.js';
import { SignerError } from './signer.js';
import type { Signer } from './signer.js';

/** No checkpoint, no mark: a signature over it vouches for nothing. */
const TRIAL = new TextEncoder().encode('indelible: is the signer there?\n');

export interface BrokenSigner {
  readonly signer: Signer;
  readonly circuit: Circuit;
  /** Signs a text that means nothing. @throws SignerError */
  readonly probe: () => Promise<void>;
}

export function breakSigner(inner: Signer, timeoutMs: number): BrokenSigner {
  const circuit = new Circuit({ name: 'signer', timeoutMs, probe: () => inner.sign(TRIAL) });
  const sign: Signer['sign'] = (message) =>
    circuit
      .run(() => inner.sign(message))
      .catch((error: unknown) => {
        if (error instanceof CircuitOpenError) throw new SignerError(error.message, { cause: error });
        if ((error as NodeJS.ErrnoException).code === 'ETIMEDOUT') throw new SignerError(`no signature within ${timeoutMs} ms`, { cause: error });
        throw error;
      });
  return {
    signer: {
      kind: inner.kind,
      get publicKey() {
        return inner.publicKey;
      },
      sign,
    },
    circuit,
    probe: async () => {
      await sign(TRIAL);
    },
  };
}
