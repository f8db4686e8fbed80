/** What every backend does, whatever it stands for: the facts that the package gives to others, and one that is our own. */

import { storeContract, type StoreContractOptions } from 'cachette/testing';
import type { Backend } from '../../src/stores/backend.js';

export interface BackendContract extends Pick<
  StoreContractOptions<Backend>,
  'bigBytes' | 'manyKeys' | 'shares' | 'clock'
> {
  /** A new backend over the same store each time. */
  readonly make: () => Promise<Backend> | Backend;
  /** Whether the server can add, and touch. */
  readonly adds: boolean;
  /** How coarse the server's clock is, and by how much it keeps a key too long. */
  readonly tickMs: number;
}

export function backendContract(name: string, { make, adds, ...terms }: BackendContract): void {
  describe(`${name} as a backend`, () => {
    for (const { name: fact, run, timeoutMs } of storeContract({ open: make, adds, touches: adds, ...terms })) {
      test(fact, run, timeoutMs);
    }

    test('says of an error of its own that it is one', async () => {
      const backend = await make();
      await backend.close();
      await expect(backend.getMany(['a'])).rejects.toMatchObject({ name: 'BackendError', failure: 'unreachable' });
    });
  });
}
