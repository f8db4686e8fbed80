/**
 * The floors of docs/architecture.md: a file imports from its own floor and from those below, types included, and nothing
 * goes in circles. Each third-party library has one file that knows it.
 */

/** From the ground up. Folders of the top floor are beside each other and do not meet. */
const floors = [['base'], ['policies'], ['stores'], ['cache'], ['decorators'], ['observe', 'integrations']];

/** Libraries, and the only file that may import each. `typesIn`: files that may name its types as well. */
const libraries = [
  { name: 'keyv', file: 'stores/keyv.ts', typesIn: ['stores/uri.ts'] },
  { name: '@keyv/redis', file: 'stores/redis-connect.ts' },
  { name: '@keyv/memcache', file: 'stores/memcached.ts' },
  { name: 'memjs', file: 'stores/memcached.ts' },
  { name: 'pg', file: 'integrations/postgres/connection.ts' },
  { name: 'cli-table3', file: 'integrations/cli/table.ts' },
  { name: 'prom-client', file: 'observe/prometheus.ts' },
  { name: '@opentelemetry', file: 'observe/otel.ts' },
];

/** Libraries that one file may import, whichever it is. */
const onePlace = ['lru-cache', 'cockatiel', 'reflect-metadata'];

/** @param {string[]} folders */
const inside = (folders) => `^src/(${folders.join('|')})/`;

/** @param {string} file */
const exactly = (file) => `^src/${file.replaceAll('.', '\\.')}$`;

// installed, as types of its own, or not found at all
/** @param {string} name */
const library = (name) => `(^|node_modules/)(@types/)?${name}(/|$)`;

const floorRules = floors.slice(0, -1).map((folders, floor) => ({
  name: `floor-${floor}-${folders.join('-')}`,
  comment: `src/${folders.join(', src/')} imports only from itself and from the floors below.`,
  severity: 'error',
  from: { path: inside(folders) },
  to: { path: inside(floors.slice(floor + 1).flat()) },
}));

const libraryRules = libraries.map(({ name, file, typesIn = [] }) => ({
  name: `only-${file}-imports-${name}`,
  comment: `What ${name} is like is the secret of src/${file}.`,
  severity: 'error',
  from: { pathNot: [file, ...typesIn].map(exactly) },
  to: { path: library(name) },
}));

const typeRules = libraries
  .filter(({ typesIn = [] }) => typesIn.length > 0)
  .map(({ name, typesIn = [] }) => ({
    name: `only-types-of-${name}`,
    comment: `These files may name the types of ${name}, and load it no more than the others.`,
    severity: 'error',
    from: { path: typesIn.map(exactly) },
    to: { path: library(name), dependencyTypesNot: ['type-only'] },
  }));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      comment: 'Type imports count: two files that need each other are one idea, or miss a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'nothing-imports-the-index',
      comment: 'index.ts names what is public; inside, each import says where a thing is.',
      severity: 'error',
      from: {},
      to: { path: exactly('index.ts') },
    },
    ...floorRules,
    {
      name: 'top-floor-folders-do-not-meet',
      comment: 'Listeners and integrations stand beside each other on top of the cache.',
      severity: 'error',
      from: { path: '^src/(observe|integrations)/' },
      to: { path: inside(['observe', 'integrations']), pathNot: '^src/$1/' },
    },
    {
      name: 'top-floor-subfolders-do-not-meet',
      comment: 'What two of them need is the business of a floor below.',
      severity: 'error',
      from: { path: '^src/(observe|integrations)/([^/]+)/' },
      to: { path: '^src/$1/[^/]+/', pathNot: '^src/$1/$2/' },
    },
    ...libraryRules,
    ...typeRules,
    ...onePlace.map((name) => ({
      name: `one-place-imports-${name}`,
      comment: `One file wraps ${name}; the others import that file.`,
      severity: 'error',
      from: { path: '^src/' },
      module: { path: library(name), numberOfDependentsMoreThan: 1 },
    })),
    {
      name: 'only-declared-dependencies',
      comment: 'What src imports is in dependencies, peerDependencies or optionalDependencies, or comes with Node.',
      severity: 'error',
      from: {},
      // an optional peer is installed for the tests as well
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'undetermined'],
        dependencyTypesNot: ['npm-peer'],
        // built into the command line
        pathNot: library('cli-table3'),
      },
    },
    {
      name: 'resolvable',
      comment: 'The file or package is not there.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-orphan',
      comment: 'A file that nothing imports and that imports nothing is not part of the package.',
      severity: 'error',
      from: { orphan: true },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // is served to browsers, where its imports are URLs
    exclude: { path: '^src/observe/inspector/page/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
