/** The command line, as it is typed. */

import { dropTriggersSql, triggersSql } from 'cachette/postgres';
import { typed, typedIn } from './typed.js';

describe('postgres triggers', () => {
  it('prints the SQL', async () => {
    expect(await typed('postgres', 'triggers', '--table', 'cities', '--tag', 'city:{id}', '--tag=cities')).toEqual({
      code: 0,
      out: triggersSql({ table: 'cities', tags: ['city:{id}', 'cities'] }),
      error: '',
    });
  });

  it('prints it for a channel', async () => {
    const { out } = await typed('postgres', 'triggers', '--channel', 'shop', '--table', 'cities', '--tag', 'cities');
    expect(out).toBe(triggersSql({ table: 'cities', tags: ['cities'], channel: 'shop' }));
  });

  it('prints the SQL that removes them', async () => {
    const { out } = await typed('postgres', 'triggers', '--table', 'cities', '--drop');
    expect(out).toBe(dropTriggersSql({ table: 'cities' }));
  });
});

describe('help', () => {
  it.each([[['--help']], [['-h']], [['postgres', '--help']]])('of %j names the commands', async (args) => {
    const { code, out } = await typed(...args);
    expect(code).toBe(0);
    expect(out).toContain('postgres triggers  Prints the SQL');
    expect(out).toContain('Examples:');
  });

  it('of a command names its options and shows examples', async () => {
    const { code, out } = await typed('postgres', 'triggers', '--table', 'cities', '--help');
    expect(code).toBe(0);
    for (const part of ['Usage: cachette postgres triggers', '--table <table>', '--drop', "--tag 'city:{id}'"])
      expect(out).toContain(part);
  });

  it('of a command names its arguments and exit codes', async () => {
    const { out } = await typed('invalidate', '--help');
    for (const part of [
      'Usage: cachette invalidate [URI] [TAG...] [options]',
      '  URI  The shared',
      'CACHETTE_URL where it is left out',
      'Exit codes:',
      '  4  Deferred',
    ])
      expect(out).toContain(part);
    expect((await typed('explain', '--help')).out).toContain('Usage: cachette explain [URI] KEY [options]');
  });

  it.each([[['--version']], [['-v']], [['top', '--version']], [['check', '-v']]])(
    'of %j is the version, that of the package',
    async (args) => {
      const { version } = jest.requireActual<{ version: string }>('../../../package.json');
      expect(await typed(...args)).toEqual({ code: 0, out: `${version}\n`, error: '' });
    },
  );

  it('is given for a word as for an option', async () => {
    expect(await typed('help')).toEqual(await typed('--help'));
    expect(await typed('help', 'top')).toEqual(await typed('top', '--help'));
    expect(await typed('help', 'postgres')).toEqual(await typed('postgres', '--help'));
  });

  it('is what there is to say of nothing, which is a mistake', async () => {
    const { code, out, error } = await typed();
    expect([code, error]).toEqual([2, '']);
    expect(out).toBe((await typed('--help')).out);
  });

  it('has examples that can be pasted', async () => {
    expect((await typed('top', '--help')).out).toContain('\n  npx cachette top redis://localhost:6379 ');
  });
});

describe('options', () => {
  it('may stand before the command', async () => {
    const args = ['postgres', 'triggers', '--table', 'cities', '--drop'];
    expect(await typed('--table', 'cities', '--drop', 'postgres', 'triggers')).toEqual(await typed(...args));
    const { error } = await typed('--json', 'explain', 'memory://', 'shop:1:a:');
    expect(error).toContain('memory:// is the memory of one process');
  });
});

describe('JSON', () => {
  it('is given for SQL', async () => {
    const { out } = await typed('postgres', 'triggers', '--table', 'cities', '--drop', '--json');
    expect(JSON.parse(out)).toEqual({ sql: dropTriggersSql({ table: 'cities' }) });
  });

  it.each([
    [['top', '--json', '--onec'], 2, 'usage', "there is no option '--onec'; did you mean '--once'?"],
    [['explain', 'oddis://a', 'shop:1:a:', '--json'], 2, 'config', 'cachette explain: '],
    [['explain', 'redis://127.0.0.1:1', 'shop:1:a:', '--json'], 3, 'unreachable', 'redis://127.0.0.1:1 cannot be'],
  ])('is given for the mistake in %j, beside the words', async (args, exitCode, code, message) => {
    const { code: given, out, error } = await typed(...args);
    expect(given).toBe(exitCode);
    expect(JSON.parse(out)).toEqual({ error: { code, message: expect.stringContaining(message) } });
    expect(error).toContain(message);
    expect(error).not.toContain('cachette: cachette');
  });
});

describe('what was mistyped', () => {
  const triggers = ['postgres', 'triggers'];
  const cities = [...triggers, '--table', 'cities'];

  it.each([
    [['postgres'], 'no command is named; there are: postgres triggers', 'postgres --help'],
    [['--table'], "there is no option '--table' without a command", '--help'],
    [['postgers', 'triggers'], "there is no command 'postgers'; did you mean 'postgres'?", '--help'],
    [['redis'], "there is no command 'redis'; there are: top, audit, explain, invalidate, check, postgres", '--help'],
    [
      ['postgres', 'trigers'],
      "there is no command 'postgres trigers'; did you mean 'postgres triggers'?",
      'postgres --help',
    ],
    [['postgres', 'trigers', '--help'], "there is no command 'postgres trigers'", 'postgres --help'],
    [[...triggers, '--tabel', 'cities'], "there is no option '--tabel'; did you mean '--table'?", 'triggers --help'],
    [[...cities, '--constructor'], "there is no option '--constructor'; there are: --table, --tag", 'triggers --help'],
    [[...cities, '-x'], "there is no option '-x'", 'triggers --help'],
    [[...triggers, '--tag', 'a'], '--table is missing', 'triggers --help'],
    [cities, '--tag is missing', 'triggers --help'],
    [[...triggers, '--table', '--tag', 'a'], '--table needs a table behind it', 'triggers --help'],
    [[...cities, '--tag'], '--tag needs a tag behind it', 'triggers --help'],
    [[...cities, '--table', 'towns', '--tag', 'a'], '--table is given twice', 'triggers --help'],
    [[...cities, '--drop=yes'], '--drop takes no value', 'triggers --help'],
    [[...cities, 'towns'], "'towns' is one word too many", 'triggers --help'],
    [[...triggers, 'cities'], "'cities' is one word too many", 'triggers --help'],
    [['explain', 'redis://a', 'key', 'more'], "'more' is one word too many", 'explain --help'],
    [['explain', 'redis://a'], 'KEY is missing: The key', 'explain --help'],
    [['explain'], 'URI is missing: The shared store', 'explain --help'],
    [['explain', 'shop:1:Products.find:'], 'URI is missing: The shared store, such as redis', 'explain --help'],
    [['invalidate', 'product:1'], 'URI is missing: The shared store, such as redis', 'invalidate --help'],
    [['help', 'tpo'], "there is no command 'tpo'; did you mean 'top'?", '--help'],
    [['check'], 'FILE is missing: A module', 'check --help'],
  ])('%j is told on stderr, with a way to help', async (args, message, help) => {
    const { code, out, error } = await typed(...args);
    expect([code, out]).toEqual([2, '']);
    expect(error).toContain(`cachette: ${message}`);
    expect(error).toContain(`${help}\n`);
  });

  it('a wrong tag is told as the function does', async () => {
    expect(await typed(...cities, '--tag', 'city:{id')).toEqual({
      code: 2,
      out: '',
      error:
        "cachette: triggersSql: the tag 'city:{id' has a brace that stands alone; write the name of a column in braces, as in 'city:{id}'.\n",
    });
  });
});

describe('an argument', () => {
  const env = { CACHETTE_URL: 'memory://' };
  const message = 'memory:// is the memory of one process, which no other can see: name its shared store';

  it('is taken from the environment where it was left out', async () => {
    const { code, error } = await typedIn({ env }, 'explain', "cachette:1:Products.find:'1'");
    expect([code, error]).toEqual([2, `cachette: ${message}\nFor help: npx cachette explain --help\n`]);
  });

  it('is a URI where it looks like one, and a tag that does stands behind two dashes', async () => {
    const invalidated = async (...args: string[]) => (await typedIn({ env }, 'invalidate', ...args)).error;
    expect(await invalidated('product:1', 'product:2')).toContain(message);
    expect(await invalidated('--', 'http://a/page')).toContain(message);
    expect(await invalidated('http://a/page')).toContain('TAG is missing');
    expect(await invalidated('oddis://a', 'http://a/page')).toContain("'oddis'");
  });

  it('that begins with a dash stands behind two of them', async () => {
    const { error } = await typed('explain', 'redis://a', '--', '-x');
    expect(error).toContain('the key -x begins with no namespace');
  });

  it('shows no password', async () => {
    const { error } = await typed('explain', 'redis://:hidden@a:b/', "cachette:1:Products.find:'1'");
    expect(error).toContain('redis://:***@a:b/');
    const tooMany = await typed('explain', 'redis://a', 'key', 'redis://:hidden@a');
    expect(tooMany.error + error).not.toContain('hidden');
  });
});
