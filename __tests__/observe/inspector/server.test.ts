/** The inspector's server side: who gets what, under each kind of server. */

import { createCache } from 'cachette';
import { createInspector } from 'cachette/inspector';

test('listens, and answers the page and the stream', async () => {
  const cache = createCache();
  const inspector = createInspector(cache);
  const { url } = await inspector.listen();
  for (const path of ['', 'page.js', 'page.css', 'uplot.js', 'uplot.css', 'api/session', 'api/audit', 'api/recent?method=a'])
    expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
  const stream = await fetch(`${url}api/stream`);
  const reader = stream.body!.getReader();
  let seen = '';
  while (!seen.includes('event: fleet')) seen += Buffer.from((await reader.read()).value!).toString();
  await inspector.close();
  await cache.close();
});
