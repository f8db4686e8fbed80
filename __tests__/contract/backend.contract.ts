/** What every backend does, whatever it stands for. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Backend } from '../../src/stores/backend.js';

export interface BackendContract {
  /** A new backend over the same store each time. */
  readonly make: () => Promise<Backend> | Backend;
  /** Whether the server can add, and touch. */
  readonly adds: boolean;
  /** How coarse the server's clock is, and by how much it keeps a key too long. */
  readonly tickMs: number;
  /** A text so long that it comes in several packets. */
  readonly bigBytes?: number;
  readonly manyKeys?: number;
  /** Whether what `make` gives has the same data each time; it has unless stated. */
  readonly shares?: boolean;
}

export function backendContract(name: string, contract: BackendContract): void {
  const { make, adds, tickMs, bigBytes = 900_000, manyKeys = 2_000, shares = true } = contract;
  /** Time enough for a command, short enough to wait for. */
  const shortMs = tickMs === 0 ? 600 : 1_000;

  describe(`${name} as a backend`, () => {
    let backend: Backend;
    let prefix: string;
    const key = (suffix: string | number): string => `${prefix}${suffix}`;

    beforeEach(async () => {
      prefix = `shop:1:${randomUUID()}:`;
      backend = await make();
    });
    afterEach(() => backend.close());

    test('has a name without a password and a bound for texts', () => {
      expect(backend.name).toMatch(/\S/);
      expect(backend.maxTextBytes).toBeGreaterThan(1_000_000);
      expect(backend.lateByMs ?? 0).toBeGreaterThanOrEqual(tickMs);
    });

    test('getMany gives texts in the order of the keys and undefined for what is absent', async () => {
      await Promise.all([backend.set(key('b'), 'B', 60_000), backend.set(key('a'), 'A', 60_000)]);
      await expect(backend.getMany([key('x'), key('a'), key('y'), key('b'), key('a')])).resolves.toEqual([
        undefined,
        'A',
        undefined,
        'B',
        'A',
      ]);
      await expect(backend.getMany([key('a')])).resolves.toEqual(['A']);
    });

    test('nothing asked is nothing answered', async () => {
      await expect(backend.getMany([])).resolves.toEqual([]);
      await expect(backend.deleteMany([])).resolves.toBeUndefined();
    });

    test('set replaces the text and its ttl', async () => {
      await backend.set(key('a'), 'old', shortMs);
      await backend.set(key('a'), 'new', Infinity);
      await sleep(shortMs + tickMs + 100);
      await expect(backend.getMany([key('a')])).resolves.toEqual(['new']);
    });

    test('a text is gone after its ttl, and not before', async () => {
      const start = performance.now();
      await backend.set(key('a'), 'A', shortMs);
      await backend.set(key('b'), 'B', 60_000);
      await sleep(shortMs * 0.75);
      const found = await backend.getMany([key('a'), key('b')]);
      // On a machine that was busy for so long it says nothing.
      if (performance.now() - start < shortMs) expect(found).toEqual(['A', 'B']);
      await sleep(shortMs * 0.25 + tickMs + 100);
      await expect(backend.getMany([key('a'), key('b')])).resolves.toEqual([undefined, 'B']);
    });

    test.each([1, 999, 1_001, 86_400_000, 31 * 86_400_000, 400 * 86_400_000, 200 * 365 * 86_400_000, Infinity])(
      'a ttl of %p ms is taken',
      async (ttlMs) => {
        await backend.set(key('a'), 'A', ttlMs);
        if (ttlMs > 100) await expect(backend.getMany([key('a')])).resolves.toEqual(['A']);
      },
    );

    test.each([
      ['empty', ''],
      ['a number', '42'],
      ['JSON', '{"value":"x","expires":1}'],
      ['not JSON', '{"value":'],
      ['unicode', 'žluťoučký 馬 🐎 \u0000 \u2028 \r\n'],
      ["Keyv's marks", ':base64:AAAA'],
    ])('a text that is %s comes back as it was', async (_, text) => {
      await backend.set(key('a'), text, 60_000);
      await expect(backend.getMany([key('a')])).resolves.toEqual([text]);
    });

    test('a big text comes back as it was', async () => {
      const text = 'é0123456789'.repeat(Math.ceil(bigBytes / 12));
      await backend.set(key('big'), text, 60_000);
      const [found] = await backend.getMany([key('big')]);
      expect(found === text).toBe(true);
    });

    test('keys that differ only in their ends do not meet', async () => {
      const keys = ['q', 'q!', 'Q', '{q}', '{q}2', 'q:', ':q', 'keyv:q'].map(key);
      await Promise.all(keys.map((name) => backend.set(name, name, 60_000)));
      await expect(backend.getMany(keys)).resolves.toEqual(keys);
    });

    test('a key of 250 bytes is legal', async () => {
      const long = key('').padEnd(250, 'k');
      await backend.set(long, 'long', 60_000);
      await expect(backend.getMany([long])).resolves.toEqual(['long']);
    });

    test('deleteMany removes all, whether they were there or not, and nothing else', async () => {
      await Promise.all(['a', 'b', 'c'].map((name) => backend.set(key(name), name, 60_000)));
      await expect(backend.deleteMany([key('a'), key('absent'), key('b'), key('a')])).resolves.toBeUndefined();
      await expect(backend.getMany([key('a'), key('b'), key('c')])).resolves.toEqual([undefined, undefined, 'c']);
      await expect(backend.deleteMany([key('a'), key('absent')])).resolves.toBeUndefined();
    });

    test(`${manyKeys} keys go in, come out in order and are deleted`, async () => {
      const keys = Array.from({ length: manyKeys }, (_, index) => key(index));
      await Promise.all(keys.map((name, index) => backend.set(name, `${index}`, 60_000)));
      const found = await backend.getMany(keys);
      expect(found.every((text, index) => text === `${index}`) && found.length === manyKeys).toBe(true);
      await backend.deleteMany(keys);
      expect((await backend.getMany(keys)).every((text) => text === undefined)).toBe(true);
    }, 30_000);

    test('concurrent commands do not mix up their answers', async () => {
      const rounds = Array.from({ length: 200 }, async (_, index) => {
        await backend.set(key(index), `v${index}`, 60_000);
        const [own, other] = await backend.getMany([key(index), key(`none${index}`)]);
        return own === `v${index}` && other === undefined;
      });
      expect((await Promise.all(rounds)).every(Boolean)).toBe(true);
    });

    test('two backends over the same store see the same', async () => {
      if (!shares) return;
      const other = await make();
      await backend.set(key('a'), 'A', 60_000);
      await expect(other.getMany([key('a')])).resolves.toEqual(['A']);
      await other.deleteMany([key('a')]);
      await expect(backend.getMany([key('a')])).resolves.toEqual([undefined]);
      await other.close();
      await backend.set(key('a'), 'still open', 60_000);
      await expect(backend.getMany([key('a')])).resolves.toEqual(['still open']);
    });

    test('commands after close reject, and a second close does nothing', async () => {
      await backend.set(key('a'), 'A', 60_000);
      await backend.close();
      await expect(backend.close()).resolves.toBeUndefined();
      await expect(backend.getMany([key('a')])).rejects.toMatchObject({ name: 'BackendError', failure: 'unreachable' });
      await expect(backend.set(key('a'), 'B', 1_000)).rejects.toMatchObject({ failure: 'unreachable' });
      await expect(backend.deleteMany([key('a')])).rejects.toMatchObject({ failure: 'unreachable' });
      if (backend.add)
        await expect(backend.add(key('b'), 'B', 1_000)).rejects.toMatchObject({ failure: 'unreachable' });
      if (backend.touch) await expect(backend.touch(key('a'), 1_000)).rejects.toMatchObject({ failure: 'unreachable' });
    });

    if (!adds) {
      test('neither adds nor touches', () => {
        expect(backend.add).toBeUndefined();
        expect(backend.touch).toBeUndefined();
      });
      return;
    }

    test('add writes where nothing is, and nowhere else', async () => {
      await expect(backend.add?.(key('a'), 'first', 60_000)).resolves.toBe(true);
      await expect(backend.add?.(key('a'), 'second', 60_000)).resolves.toBe(false);
      await expect(backend.getMany([key('a')])).resolves.toEqual(['first']);
      await backend.deleteMany([key('a')]);
      await expect(backend.add?.(key('a'), 'third', Infinity)).resolves.toBe(true);
      await expect(backend.getMany([key('a')])).resolves.toEqual(['third']);
    });

    test('of many that add at once exactly one writes', async () => {
      const other = await make();
      const adds = Array.from({ length: 50 }, async (_, index) => {
        const added = await (index % 2 ? other : backend).add?.(key('a'), `${index}`, 60_000);
        return added ? `${index}` : undefined;
      });
      const winners = (await Promise.all(adds)).filter((text) => text !== undefined);
      expect(winners).toHaveLength(1);
      await expect(backend.getMany([key('a')])).resolves.toEqual(winners);
      await other.close();
    });

    test('what was added ends by its ttl, and can be added again', async () => {
      await backend.add?.(key('a'), 'A', shortMs);
      await sleep(shortMs + tickMs + 100);
      await expect(backend.add?.(key('a'), 'B', 60_000)).resolves.toBe(true);
    });

    test('touch restarts the ttl without changing the text', async () => {
      await backend.set(key('a'), 'A', shortMs);
      await backend.set(key('b'), 'B', shortMs);
      await expect(backend.touch?.(key('a'), 60_000)).resolves.toBe(true);
      await sleep(shortMs + tickMs + 100);
      await expect(backend.getMany([key('a'), key('b')])).resolves.toEqual(['A', undefined]);
    });

    test('touch can shorten a ttl and take it away', async () => {
      await backend.set(key('a'), 'A', Infinity);
      await backend.set(key('b'), 'B', shortMs);
      await expect(backend.touch?.(key('a'), shortMs)).resolves.toBe(true);
      await expect(backend.touch?.(key('b'), Infinity)).resolves.toBe(true);
      await expect(backend.touch?.(key('b'), Infinity)).resolves.toBe(true);
      await sleep(shortMs + tickMs + 100);
      await expect(backend.getMany([key('a'), key('b')])).resolves.toEqual([undefined, 'B']);
    });

    test('touch says false for what is gone and brings nothing back', async () => {
      await expect(backend.touch?.(key('a'), 60_000)).resolves.toBe(false);
      await expect(backend.touch?.(key('a'), Infinity)).resolves.toBe(false);
      await expect(backend.getMany([key('a')])).resolves.toEqual([undefined]);
    });
  });
}
