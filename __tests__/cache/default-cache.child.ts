/** Uses the default cache, which is where the parent says after the import. */

import { Cached, defaultCache } from 'cachette';

let runs = 0;

class Products {
  @Cached('5m')
  async find(id: string): Promise<string> {
    return `${id}#${++runs}`;
  }
}

async function use(uri: string): Promise<void> {
  process.env['CACHETTE_URL'] = uri;
  const products = new Products();
  const values = [await products.find('1'), await products.find('1')];
  await defaultCache().close();
  process.send?.(values.join(' '), undefined, undefined, () => process.disconnect());
}

process.once('message', (uri) => void use(uri as string));
process.send?.('imported');
