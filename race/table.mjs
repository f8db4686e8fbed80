/**
 * The table of races: what a read may be doing when something is invalidated, how it is invalidated, and where entries live.
 *
 * @typedef {import('cachette/testing').Random} Random
 * @typedef {import('./random-programs.mjs').Op} Op
 * @typedef {import('./random-programs.mjs').Method} Method
 * @typedef {'memory' | 'shared' | 'tiers'} StoreName
 * @typedef {{
 *   readonly name: string,
 *   readonly methods: readonly [Method, ...Method[]],
 *   readonly options?: object,
 *   readonly stores?: readonly StoreName[],
 *   readonly columns?: readonly string[],
 *   readonly writes?: number,
 *   readonly passes?: { readonly often: number, readonly ms: readonly [number, ...number[]] },
 *   readonly disturbances?: readonly ((random: Random) => Op)[],
 *   readonly disturbed?: number,
 *   readonly faults?: number,
 *   readonly haste?: readonly [number, ...number[]],
 *   readonly turns?: number,
 *   readonly memory?: { readonly maxEntries: number },
 *   readonly isFed?: boolean,
 *   readonly shows: keyof import('./tally.mjs').Tally,
 * }} Row `options`: of the methods. `writes`: how many ops of 1. `turns`: of how many steps a load is, at most. `shows`: what must have been seen in its cells
 * @typedef {{ readonly name: 'tag' | 'forget' | 'clear' }} Column
 * @typedef {{
 *   readonly name: StoreName,
 *   readonly processes: number,
 *   readonly faults: boolean,
 *   readonly isWhole?: boolean,
 *   readonly disturbances?: readonly ((random: Random) => Op)[],
 * }} StoreKind `isWhole`: loads may fail, and tags may be expired, which black boxes have other words for
 * @typedef {{
 *   readonly name: string,
 *   readonly row: Row,
 *   readonly column: Column,
 *   readonly store: StoreKind,
 *   readonly open?: (world: import('./fleet.mjs').World) => any,
 * }} Cell `open`: makes the simulated processes, unless they are the usual ones
 */

export const ttlMs = 5_000;

/** @type {readonly [Method, ...Method[]]} */
const all = ['one', 'page', 'list'];

/** @param {Random} random */
const aboutALease = (random) => 850 + random.below(200);

/** @param {Random} random @returns {Op} */
const pause = (random) => ({
  do: 'pause',
  ms: random.chance(0.5) ? random.below(3_000) : aboutALease(random),
  cuts: random.chance(0.5),
});

/** What goes wrong with servers and processes. @param {Random} random @returns {Op} */
const misfortune = (random) => {
  const kind = random.pick(['evict', 'evict', 'snapshot', 'restart', 'restart', 'kill', 'set clock']);
  switch (kind) {
    case 'restart':
      return { do: kind, with: random.chance(0.5) ? 'snapshot' : 'nothing' };
    case 'set clock':
      return setClock(random);
    default:
      return /** @type {Op} */ ({ do: kind });
  }
};

/** @param {Random} random @returns {Op} */
const setClock = (random) => ({ do: 'set clock', behindMs: random.below(20_000) - 10_000 });

/** @type {readonly Row[]} */
export const rows = [
  {
    name: 'foreground',
    methods: ['one', 'one', 'one', 'page', 'list'],
    passes: { often: 0.05, ms: [300, ttlMs * 0.8, ttlMs + 4_000] },
    shows: 'hits',
  },
  { name: 'joiner', methods: ['one', 'one', 'page', 'list'], turns: 8, shows: 'joined' },
  {
    name: 'background refresh',
    methods: ['one', 'one', 'page', 'list'],
    options: { staleWhileRevalidate: ttlMs, refreshAhead: 0.5 },
    passes: { often: 0.2, ms: [ttlMs * 0.7, ttlMs + 4_000] },
    shows: 'stale',
  },
  {
    name: 'soft timeout',
    methods: ['one', 'one', 'page'],
    options: { staleIfError: ttlMs, timeout: { soft: 20 } },
    passes: { often: 0.2, ms: [30, ttlMs + 4_000] },
    turns: 8,
    shows: 'timedOut',
  },
  {
    name: 'promotion',
    methods: ['one', 'one', 'page', 'list'],
    stores: ['tiers'],
    memory: { maxEntries: 2 },
    passes: { often: 0.1, ms: [300, ttlMs * 0.8] },
    shows: 'promoted',
  },
  {
    name: 'sliding touch',
    methods: ['one', 'one', 'page', 'list'],
    options: { sliding: true, maxLifetime: 1.6 * ttlMs },
    passes: { often: 0.35, ms: [ttlMs * 0.4, ttlMs * 0.7, ttlMs * 0.9] },
    writes: 0.12,
    shows: 'slid',
  },
  {
    name: 'replay',
    methods: all,
    stores: ['shared', 'tiers'],
    faults: 1,
    passes: { often: 0.1, ms: [300, 1_100] },
    shows: 'deferred',
  },
  { name: 'change feed', methods: all, columns: ['tag', 'clear'], isFed: true, shows: 'fed' },
  { name: 'inherited and result tags', methods: ['page', 'list', 'both'], turns: 3, shows: 'hitsByLateTags' },
  {
    name: 'leases of the bus',
    methods: ['one', 'one', 'page', 'list'],
    stores: ['tiers'],
    faults: 0.3,
    haste: [0.02, 0.02, 0.1],
    passes: { often: 0.15, ms: [90, 400, 1_100] },
    disturbances: [pause, () => ({ do: 'interrupt' }), setClock],
    disturbed: 0.15,
    shows: 'withoutIo',
  },
];

/** @type {readonly Column[]} */
export const columns = [{ name: 'tag' }, { name: 'forget' }, { name: 'clear' }];

/** @type {readonly StoreKind[]} */
export const stores = [
  { name: 'memory', processes: 1, faults: false, isWhole: true },
  {
    name: 'shared',
    processes: 4,
    faults: true,
    isWhole: true,
    disturbances: [misfortune],
  },
  {
    name: 'tiers',
    processes: 3,
    faults: true,
    isWhole: true,
    disturbances: [misfortune, misfortune, misfortune, pause],
  },
];

/** @type {readonly Cell[]} */
export const cells = rows.flatMap((row) =>
  columns
    .filter(({ name }) => row.columns?.includes(name) ?? true)
    .flatMap((column) =>
      stores
        .filter(({ name }) => row.stores?.includes(name) ?? true)
        .map((store) => ({ name: `${row.name} / ${column.name} / ${store.name}`, row, column, store })),
    ),
);
