import { fresh } from './fresh.js';

function setup() {
  const made = fresh();
  const { Cached, Invalidates } = made;
  const error = new Error('mine');
  let runs = 0;
  class Products {
    @Cached({ tags: (id) => `product:${id}` })
    async find(id: string): Promise<string> {
      return `${id}#${++runs}`;
    }

    @Invalidates((id) => `product:${id}`)
    async update(id: string): Promise<string> {
      if (id === 'missing') throw error;
      return id;
    }

    @Invalidates({ tags: (id) => `product:${id}`, on: 'settled' })
    async failing(_id: string): Promise<never> {
      throw error;
    }

    @Invalidates({ tags: (id) => `product:${id}`, on: 'success' })
    async careful(id: string, fails: boolean): Promise<string> {
      if (fails) throw error;
      return id;
    }

    @Invalidates({ tags: 'products', resultTags: (id) => `product:${id}` })
    async create(_sku: string, fails: boolean): Promise<string> {
      if (fails) throw error;
      return 'a';
    }

    @Invalidates((): string => {
      throw new Error('no tags');
    })
    async untold(fails: boolean): Promise<string> {
      if (fails) throw error;
      return 'written';
    }
  }
  const products = new Products();
  return { ...made, error, products };
}

describe('@Invalidates', () => {
  it('invalidates its tags alone, before its caller goes on', async () => {
    const { products } = setup();
    await products.find('1');
    await products.find('2');
    expect(await products.update('1')).toBe('1');
    expect([await products.find('1'), await products.find('2')]).toEqual(['1#3', '2#2']);
  });

  it.each(['missing', 'failing'] as const)(
    'also where the method throws, and passes on the very error: %s',
    async (id) => {
      const { error, products } = setup();
      await products.find(id);
      await expect(id === 'missing' ? products.update(id) : products.failing(id)).rejects.toBe(error);
      expect(await products.find(id)).toBe(`${id}#2`);
    },
  );

  it("only where the method succeeds, with on: 'success'", async () => {
    const { error, products } = setup();
    await products.find('1');
    await expect(products.careful('1', true)).rejects.toBe(error);
    expect(await products.find('1')).toBe('1#1');
    expect(await products.careful('1', false)).toBe('1');
    expect(await products.find('1')).toBe('1#2');
  });

  it('asks for the tags of a result where there is one', async () => {
    const { cache, error, products } = setup();
    const told: (readonly string[])[] = [];
    cache.on('invalidation', ({ tags }) => told.push(tags));
    await products.find('a');
    await expect(products.create('7', true)).rejects.toBe(error);
    expect(await products.find('a')).toBe('a#1');
    expect(await products.create('7', false)).toBe('a');
    expect(await products.find('a')).toBe('a#2');
    expect(told).toEqual([['products'], ['products', 'product:a']]);
  });

  it('invalidates everything where its tags cannot be told, whether the method throws or not', async () => {
    const { cache, error, products, warnings } = setup();
    const told: unknown[] = [];
    cache.on('invalidation', (event) => told.push(event));
    await products.find('1');
    expect(await products.untold(false)).toBe('written');
    expect(await products.find('1')).toBe('1#2');
    await expect(products.untold(true)).rejects.toBe(error);
    expect(await products.find('1')).toBe('1#3');
    expect(told).toEqual([
      { tags: [], kind: 'invalidate', status: 'done' },
      { tags: [], kind: 'invalidate', status: 'done' },
    ]);
    expect(warnings).toEqual([expect.stringMatching(/untold.*every entry was invalidated: Error: no tags/)]);
  });
});
