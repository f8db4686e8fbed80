/** The command line, as it is typed. */

import { dropTriggersSql, triggersSql } from 'cachette/postgres';
import { runCli } from '../../src/integrations/cli.js';

async function typed(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ['', ''];
  const code = await runCli(args, { out: (text) => void (out += text), error: (text) => void (error += text) });
  return { code, out, error };
}

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

  it('is no command, and the version is that of the package', async () => {
    const { version } = jest.requireActual<{ version: string }>('../../package.json');
    expect(await typed('--version')).toEqual({ code: 0, out: `${version}\n`, error: '' });
  });
});

describe('what was mistyped', () => {
  const triggers = ['postgres', 'triggers'];
  const cities = [...triggers, '--table', 'cities'];

  it.each([
    [[], 'no command is named; there are: postgres', '--help'],
    [['postgres'], 'no command is named; there are: postgres triggers', 'postgres --help'],
    [['--table'], "there is no option '--table' without a command", '--help'],
    [['postgers', 'triggers'], "there is no command 'postgers'; did you mean 'postgres'?", '--help'],
    [['redis'], "there is no command 'redis'; there are: postgres", '--help'],
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
