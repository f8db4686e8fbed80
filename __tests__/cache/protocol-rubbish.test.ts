/** What comes back from a shared store is not trusted: it may be anything, and is then a miss and an event. */

import { expectHit, expectMiss } from 'cachette/testing';
import type { CacheProblem } from '../../src/base/events.js';
import { jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

let data: Map<string, string>;
let here: SteppedProcess;
let problems: CacheProblem[];
let x: SteppedMethod<[], string>;

beforeEach(() => {
  data = new Map();
  here = new SteppedProcess({ data });
  problems = [];
  here.cache.on('error', (problem) => problems.push(problem));
  x = new SteppedMethod(() => `run ${x.runs}`);
  x.automatic = true;
});

afterEach(() => here.close());

describe('an entry that', () => {
  it.each<[what: string, spoil: (text: string, header: unknown[], value: string) => string]>([
    ['is empty', () => ''],
    ['is no line', () => 'rubbish'],
    ['is one line of rubbish', () => 'rubbish\n"value"'],
    ['is cut within its header', (text) => text.slice(0, 20)],
    ['has lost its end of line', (text) => text.replace('\n', '')],
    ['begins with a byte order mark', (text) => `\ufeff${text}`],
    ['is of another wire version', (_text, header, value) => written(['2', ...header.slice(1)], value)],
    ['is of another codec', (_text, header, value) => written([header[0], 'msgpack', ...header.slice(2)], value)],
    ['has a header that is null', (_text, _header, value) => written(null, value)],
    ['has a header that is an object', (_text, header, value) => written({ ...header }, value)],
    ['has a short header', (_text, header, value) => written(header.slice(0, 4), value)],
    ['has a name without a token', (_text, header, value) => written(header.slice(0, -1), value)],
    ['has no number for the time of writing', (_text, header, value) => written(header.toSpliced(2, 1, 'now'), value)],
    ['has a ttl of nothing', (_text, header, value) => written(header.toSpliced(3, 1, 0), value)],
    ['has a ttl below nothing', (_text, header, value) => written(header.toSpliced(3, 1, -5), value)],
    ['has a text for its ttl', (_text, header, value) => written(header.toSpliced(3, 1, '5'), value)],
    ['has a broken ttl', (_text, header, value) => written(header.toSpliced(3, 1, 0.5), value)],
    ['slides or not', (_text, header, value) => written(header.toSpliced(4, 1, 'yes'), value)],
    ['has an array for its maximal life', (_text, header, value) => written(header.toSpliced(5, 1, []), value)],
    ['has a number for a name', (_text, header, value) => written(header.toSpliced(10, 1, 7), value)],
    ['has an object for a token', (_text, header, value) => written(header.toSpliced(11, 1, {}), value)],
    ['has an empty token', (_text, header, value) => written(header.toSpliced(11, 1, ''), value)],
    ['has a token that is none', (_text, header, value) => written(header.toSpliced(11, 1, 'rubbish'), value)],
    ['has a value of rubbish', (_text, header) => written(header, '{"a":')],
    ['has lost its value', (_text, header) => written(header, '')],
    ['has a value nested too deeply', (_text, header) => written(header, '['.repeat(100_000))],
    [
      'has more generations than any entry may have',
      (_text, header, value) =>
        written([...header, ...Array.from({ length: 20_000 }, () => header.slice(10, 12)).flat()], value),
    ],
    ['has a header nested without end', (_text, _header, value) => `${'['.repeat(200_000)}\n${value}`],
  ])('%s is a miss and an event', async (_what, spoil) => {
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    await readX();
    await jobs();
    const key = readX.keyOf();
    const text = data.get(key) ?? '';
    const end = text.indexOf('\n');
    data.set(key, spoil(text, JSON.parse(text.slice(0, end)) as unknown[], text.slice(end + 1)));
    expect(await expectMiss(here.cache, readX, 'undecodable')).toBe('run 2');
    expect(problems).toMatchObject([{ code: 'undecodable', message: expect.stringContaining(key) }]);
    expect(await expectHit(here.cache, readX)).toBe('run 2');
  });

  function written(header: unknown, value: string): string {
    return `${JSON.stringify(header)}\n${value}`;
  }

  it('has a name that is none of ours is a miss, as no such generation stands', async () => {
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    await readX();
    await jobs();
    const key = readX.keyOf();
    const [line = '', value = ''] = (data.get(key) ?? '').split('\n');
    const header = JSON.parse(line) as string[];
    for (const name of ['__proto__', '', 'no blank\r\nin keys', key]) {
      data.set(key, written([...header, name, header[7]], value));
      const runs = x.runs;
      expect(await readX()).toBe(`run ${runs + 1}`);
      await jobs();
    }
  });
});

describe('a generation that', () => {
  const names = ['cachette:1:#', 'cachette:1:#m:x', 'cachette:1:#t:a'];

  it.each([
    ['nothing', ''],
    ['a word', 'rubbish'],
    ['a number', '0'],
    ['an object', '{"a":1}'],
    ['far too much', 'x'.repeat(100_000)],
    ['a token without its end', 'AAAAAAAAAAAA'],
    ['a token with another end', 'AAAAAAAAAAAA.!'],
    ['a token and a line', 'AAAAAAAAAAAA.\n'],
  ])('holds %s counts as none and is removed', async (_what, text) => {
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    for (const name of names) {
      await here.cache.clear();
      await readX();
      await jobs();
      data.set(name, text);
      const before = x.runs;
      expect(await readX()).toBe(`run ${before + 1}`);
      await jobs();
      expect(await readX()).toBe(`run ${before + 2}`);
      await jobs();
      expect(await readX()).toBe(`run ${before + 2}`);
      await here.cache.invalidate('a');
      expect(await readX()).toBe(`run ${before + 3}`);
    }
    expect(problems.filter(({ code }) => code === 'undecodable')).toHaveLength(names.length);
  });

  it('holds rubbish is replaced at once where the server has no add', async () => {
    const plain = new SteppedProcess({ data, lacks: ['add'] });
    const readX = plain.cache.wrap('x', x.run, { tags: 'a' });
    for (const name of names) data.set(name, 'rubbish');
    expect([await readX(), await readX()]).toEqual(['run 1', 'run 1']);
    await plain.close();
  });

  it('holds rubbish makes nothing stale of what is computed under it', async () => {
    for (const name of names) data.set(name, 'rubbish');
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    x.automatic = false;
    const t0 = readX();
    const run = await x.begun();
    await here.cache.invalidate('a');
    x.automatic = true;
    const t1 = readX();
    await jobs();
    await run.end();
    expect([await t0, await t1]).toEqual(['run 1', 'run 2']);
    expect(await readX()).not.toBe('run 1');
  });
});
