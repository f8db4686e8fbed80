/** `cachette explain`: why the next call with a key would be a hit or a miss. */

import type { Explanation, ExplainedEntry, ExplainedGeneration } from '../../cache/explanation.js';
import { type Command, type Given, type Printed, shellQuoted, type Terminal, UsageError } from './command.js';
import {
  inTime,
  namesOf,
  placeOf,
  type StorePlace,
  storeOptions,
  unreachable,
  uriArgument,
  withStore,
} from './store.js';
import { type Paint, paintFor, printable, shownBytes, shownMs } from './text.js';

const words = ['explain'];

export const explain: Command = {
  words,
  about: 'Tells why the next call with a key would be a hit or a miss, without its value',
  arguments: [uriArgument, { name: 'KEY', about: 'The key, as cache.keyOf() gives it and outcomes tell it' }],
  options: storeOptions,
  examples: [
    'redis://localhost:6379 "shop:1:Products.find:\'1\'"',
    'redis://localhost:6379 "cachette:1:Products.find:\'1\'" --json',
  ],
  exits: { 0: 'It would be a hit', 1: 'It would be a miss, or a stale value', ...unreachable },
  run,
};

async function run(given: Given, terminal: Terminal): Promise<Printed> {
  const key = given.argument('KEY');
  const place = await placeOfKey(given, key);
  const names = await namesOf(place);
  await checkKey(key, place);
  const { explainKey } = await import('../../cache/explanation.js');
  const explanation = await withStore(place, async (backend) => {
    const explained = (own: string) => inTime(backend, explainKey(backend, { key: own, names, now: Date.now() }));
    return firstFound(await explained(key), withQuotes(key), explained);
  });
  const text = given.isOn('json') ? json(explanation, key) : told(explanation, key, paintFor(terminal));
  return { text, exitCode: explanation.verdict === 'hit' ? 0 : 1 };
}

/** The namespace is that of the key unless another one is given. */
async function placeOfKey(given: Given, key: string): Promise<StorePlace> {
  const { keyParts } = await import('../../cache/names.js');
  const place = placeOf(given, words);
  const own = given.text('namespace') === undefined ? keyParts(key)?.namespace : undefined;
  return { ...place, namespace: own ?? place.namespace };
}

/** What is mistyped would only be absent. */
async function checkKey(key: string, { namespace }: StorePlace): Promise<void> {
  const [{ keyParts }, { wireVersion }] = await Promise.all([
    import('../../cache/names.js'),
    import('../../stores/wire.js'),
  ]);
  const complain = (what: string): never => {
    throw new UsageError(`the key ${shellQuoted(printable(key))} ${what}`, words);
  };
  const parts = keyParts(key);
  const beginning = `${namespace}:${wireVersion}:`;
  if (!parts)
    return complain(`begins with no namespace and version; is it ${shellQuoted(printable(beginning + key))}?`);
  if (parts.namespace !== namespace)
    complain(
      `is of the namespace '${printable(parts.namespace)}', and not of '${namespace}'; write --namespace ${shellQuoted(printable(parts.namespace))}`,
    );
  if (parts.version !== wireVersion)
    complain(
      `is of version ${parts.version} of what is stored, and this program reads version ${wireVersion}; take the program of that package`,
    );
  if (parts.rest.startsWith('#')) complain('is a generation, and not an entry; write the key of a call');
  if (/[^!-~]/.test(key)) complain(`holds characters that are in no key; ${askForKey}`);
  if (!parts.rest.includes(':')) complain(`has no ':' behind the method, where the arguments begin; ${askForKey}`);
}

const askForKey = 'write what cache.keyOf() gives for the call';

/** A shell takes the quotes away from `Products.find:'1'`: the keys that may have been typed, with all arguments in quotes or with texts alone. */
function withQuotes(key: string): string[] {
  const [, start = '', args = ''] = /^([^:]+:\d+:(?:\[[^\]]*\]:)?[^:]+:(?:\*[^:]+:)?)([^'{}[\]()~]*)$/.exec(key) ?? [];
  if (args === '') return [];
  const quoted = (isText: (arg: string) => boolean): string =>
    start +
    args
      .split(',')
      .map((arg) => (isText(arg) ? `'${arg}'` : arg))
      .join(',');
  const all = [quoted(() => true), quoted((arg) => !/^(-?\d+(\.\d+)?n?|true|false|null|undefined)$/.test(arg))];
  return [...new Set(all)].filter((each) => each !== key);
}

async function firstFound(
  typed: Explanation,
  others: readonly string[],
  explained: (key: string) => Promise<Explanation>,
): Promise<Explanation> {
  if (typed.reason !== 'absent') return typed;
  for (const key of others) {
    const other = await explained(key);
    if (other.reason !== 'absent') return other;
  }
  return typed;
}

/** What has no end is null there. */
function json({ key, verdict, reason, entry, generations }: Explanation, typed: string): string {
  const told = { key, ...(key !== typed && { typed }), verdict, reason, entry: entry ?? null, generations };
  return `${JSON.stringify(told, undefined, 2)}\n`;
}

const colourOf = { hit: 'green', stale: 'yellow', miss: 'red' } as const;

function told(explanation: Explanation, typed: string, paint: Paint): string {
  const { key, verdict, entry, generations } = explanation;
  const instead =
    key === typed
      ? ''
      : `There is no entry ${printable(typed)}, but one with quotes, which the shell has taken: write ${shellQuoted(printable(key))}\n`;
  const head = `${instead}${paint('bold', printable(key))}\n${paint(colourOf[verdict], sentence(explanation))}\n`;
  if (!entry) return head;
  const rows = [...rowsOf(entry), ...generations.map(generationRow)];
  const width = Math.max(...rows.map(([name]) => name.length));
  return `${head}\n${rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}\n`).join('')}`;
}

function sentence({ verdict, reason, entry }: Explanation): string {
  const why = printable(reason);
  if (verdict === 'hit') {
    const what = entry?.isError ? 'a hit that throws the error which is kept' : 'a hit';
    return `The next call would be ${what}${entry?.version === undefined ? '' : ', if its version is still the same'}.`;
  }
  if (verdict === 'stale')
    return `The next call would be a miss (${why}), or be answered with the old value, where the method allows that.`;
  return `The next call would be a miss: ${reasons[reason] ?? why}.`;
}

const reasons: Readonly<Record<string, string>> = {
  absent: 'there is no entry with this key',
  undecodable: 'what is stored there is no entry of this version',
  expired: 'the entry has expired',
  'tags not captured yet': 'the tags of its result were told late, and the next call stores it with them',
};

type Row = readonly [name: string, text: string];

function rowsOf(entry: ExplainedEntry): Row[] {
  const { ttlMs, sliding, maxLifetimeMs, staleMs, version } = entry;
  return [
    ['written', `${shownMs(entry.ageMs)} ago, ${new Date(entry.writtenAt).toISOString()}`],
    ['ttl', `${shownMs(ttlMs)}${sliding ? ' from the last access (sliding)' : ''}`],
    ['remaining', remaining(entry)],
    ...row('maxLifetime', maxLifetimeMs === Infinity ? undefined : shownMs(maxLifetimeMs)),
    ...row('kept after', staleMs > 0 ? shownMs(staleMs) : undefined),
    ['load', `${shownMs(entry.loadMs)}${entry.isError ? ', and it threw: the error is kept' : ''}`],
    [
      'size',
      `${shownBytes(entry.bytes)}, ${entry.codec === undefined ? 'no value' : `codec ${printable(entry.codec)}`}`,
    ],
    ...row('version', version === undefined ? undefined : printable(version.slice(1))),
  ];
}

function row(name: string, text: string | undefined): Row[] {
  return text === undefined ? [] : [[name, text]];
}

/** An access restarts the server's clock, and is not written into an entry that slides. */
function remaining({ remainingMs, sliding, ttlMs }: ExplainedEntry): string {
  if (remainingMs === Infinity)
    return ttlMs === Infinity ? 'no end' : "as long as the server keeps it: the writer's clock differs, or it slides";
  if (remainingMs <= 0) return `none, expired ${shownMs(-remainingMs)} ago`;
  return `${sliding ? 'at least ' : ''}${shownMs(remainingMs)}`;
}

const states = {
  stands: 'stands',
  expired: 'expired since',
  invalidated: 'invalidated since',
  missing: 'missing: invalidated since, or lost by the server',
  'not captured': 'not captured yet',
} as const;

function generationRow({ kind, name, state }: ExplainedGeneration): Row {
  // What is too long for a key ends in a hash.
  const end = /~[\w-]{24}$/.test(name) ? ' (shortened)' : '';
  const titles = { tag: `tag ${printable(name)}${end}`, method: `all of ${printable(name)}`, everything: 'everything' };
  return [titles[kind], states[state]];
}
