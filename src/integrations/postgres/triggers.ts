/**
 * Writes the SQL of triggers that tell a channel which tags a statement has made wrong. Hides how names and templates become
 * SQL, and how many tags fit into notifications.
 *
 * The triggers are of statements, with transition tables: one run for a million rows. Whatever goes wrong in one is told as
 * "anything may have changed": the user's write never fails for it.
 */

import { createHash } from 'node:crypto';

import { CacheConfigError } from '../../base/errors.js';
import { check, type Rule } from '../../cache/policy.js';
import { channelRule, clearPayload, defaultChannel } from './channel.js';
import { identifier } from './identifier.js';

/** Which triggers. */
export interface TriggersTarget {
  /** `cities`, `public.cities`; upper case stays as it is. A name with a dot in it stands in double quotes. */
  readonly table: string;
  /** What the triggers notify. Default `'cachette'`. */
  readonly channel?: string | undefined;
}

/** What triggers tell. */
export interface TriggersOptions extends TriggersTarget {
  /** Tags of a row. A column stands in braces, `'city:{id}'`; one that is NULL gives `null`, as in a template literal. */
  readonly tags: string | readonly string[];
}

/** More tags than this in one statement are told as "anything may have changed". */
const mostTags = 5_000;
/** Of a notification; 8,000 of PostgreSQL's own limit less brackets. */
const payloadBytes = 7_900;

const events = ['insert', 'update', 'delete', 'truncate'] as const;

/** One trigger for each event, as only a trigger of a single event can have transition tables. */
const referencing: Readonly<Record<(typeof events)[number], string>> = {
  insert: ' REFERENCING NEW TABLE AS new_rows',
  update: ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows',
  delete: ' REFERENCING OLD TABLE AS old_rows',
  truncate: '',
};

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '' && !value.includes('\0');

const targetRules = {
  table: ["write the name of a table, such as 'cities' or 'public.cities'", (value) => isTable(value)],
  channel: channelRule,
} satisfies Record<keyof TriggersTarget, Rule>;

const rules = {
  ...targetRules,
  tags: [
    "write a tag such as 'city:{id}', or an array of them",
    (value) => [value].flat().length > 0 && [value].flat().every(isText),
  ],
} satisfies Record<keyof TriggersOptions, Rule>;

/**
 * The SQL of triggers on a table that notify the channel of {@link postgresChanges} of the tags that each statement has made
 * wrong: of an UPDATE those of the old rows and those of the new ones. It can be run again, also with other tags.
 *
 * @throws CacheConfigError if an option is wrong
 *
 * @example
 * ```ts
 * import { triggersSql } from 'cachette/postgres';
 *
 * const sql = triggersSql({ table: 'cities', tags: ['city:{id}', 'country:{country}'] });
 * sql.includes('CREATE TRIGGER'); // true
 * ```
 */
export function triggersSql(options: TriggersOptions): string {
  checkOptions(options, rules, 'triggersSql');
  const names = namesOf(options);
  const templates = [options.tags].flat().map((template) => parseTemplate(template));
  return `${functionSql(names, templates)}\n${events.map((event) => createTriggerSql(names, event)).join('\n')}`;
}

/**
 * The SQL that removes what {@link triggersSql} has made for this table and channel.
 *
 * @throws CacheConfigError if an option is wrong
 *
 * @example
 * ```ts
 * import { dropTriggersSql } from 'cachette/postgres';
 *
 * dropTriggersSql({ table: 'cities' }).includes('DROP FUNCTION'); // true
 * ```
 */
export function dropTriggersSql(target: TriggersTarget): string {
  checkOptions(target, targetRules, 'dropTriggersSql');
  const names = namesOf(target);
  const triggers = events.map((event) => dropTriggerSql(names, event)).join('');
  return `${triggers}DROP FUNCTION IF EXISTS ${names.function}();\n`;
}

/** What is left out is told like what is wrong. */
function checkOptions(options: TriggersTarget, known: Readonly<Record<string, Rule>>, where: string): void {
  check(options, known, where);
  const given: Readonly<Record<string, unknown>> = { ...options };
  const missing = ['table', 'tags'].find((name) => known[name] && given[name] === undefined);
  if (missing === undefined) return;
  throw new CacheConfigError({ where, what: `${missing} is missing`, instead: known[missing]?.[0] ?? '' });
}

// ------------------------------------------------------------------------------------------------ names

interface Names {
  readonly table: string;
  readonly function: string;
  readonly channel: string;
  trigger(event: string): string;
}

function namesOf({ table, channel = defaultChannel }: TriggersTarget): Names {
  const parts = tableParts(table) ?? [];
  const bare = parts.at(-1) ?? '';
  const schema = parts.slice(0, -1).map(identifier);
  // Names end after 63 bytes; what they are cut to must not be the name for another table or channel.
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);
  const readable = bare.replace(/\W/g, '_').slice(0, 32);
  return {
    table: [...schema, identifier(bare)].join('.'),
    function: [...schema, identifier(`cachette_${readable}_${hash(JSON.stringify([channel, bare]))}`)].join('.'),
    channel: literal(channel),
    trigger: (event) => identifier(`cachette_${event}${channel === defaultChannel ? '' : `_${hash(channel)}`}`),
  };
}

function isTable(value: unknown): boolean {
  return isText(value) && tableParts(value as string) !== undefined;
}

/** `public.cities`, `"my.schema"."a ""table"""`; undefined if it has an empty part, or one more than schema and table. */
function tableParts(table: string): string[] | undefined {
  const part = /(?:"((?:[^"]|"")*)"|([^.]*))(\.|$)/y;
  const parts: string[] = [];
  for (let isLast = false; !isLast;) {
    const found = part.exec(table);
    if (!found) return undefined;
    const [, quoted, bare = '', end] = found;
    parts.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    isLast = end === '';
  }
  return parts.length <= 2 && parts.every((name) => name !== '') ? parts : undefined;
}

/** A string, whatever `standard_conforming_strings` says. */
function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? `E${quoted}` : quoted;
}

// ------------------------------------------------------------------------------------------------ templates

type Piece = { readonly text: string } | { readonly column: string };
type Template = readonly Piece[];

/** `city:{id}` */
function parseTemplate(template: string): Template {
  const pieces = template.split(/(\{[^{}]*\})/).filter((piece) => piece !== '');
  return pieces.map((piece) => {
    const [, column] = /^\{(.*)\}$/s.exec(piece) ?? [];
    if (column === undefined && /[{}]/.test(piece)) throw wrongTemplate(template, 'a brace that stands alone');
    if (column?.trim() === '') throw wrongTemplate(template, 'braces without a column');
    return column === undefined ? { text: piece } : { column };
  });
}

function wrongTemplate(template: string, what: string): CacheConfigError {
  return new CacheConfigError({
    where: 'triggersSql',
    what: `the tag '${template}' has ${what}`,
    instead: "write the name of a column in braces, as in 'city:{id}'",
  });
}

/** The tag of the row `r`. */
function tagSql(template: Template): string {
  const pieces = template.map((piece) =>
    'text' in piece ? `${literal(piece.text)}::text` : `coalesce(r.${identifier(piece.column)}::text, 'null')`,
  );
  return pieces.join(' || ');
}

// ------------------------------------------------------------------------------------------------ statements

function functionSql(names: Names, templates: readonly Template[]): string {
  const values = templates.map((template) => `(${tagSql(template)})`).join(', ');
  const from = (rows: string): string =>
    `SELECT t.tag FROM ${rows} AS r CROSS JOIN LATERAL (VALUES ${values}) AS t (tag) WHERE t.tag <> ''`;
  const some = (query: string): string =>
    `SELECT DISTINCT changed.tag FROM (${query}) AS changed LIMIT ${mostTags + 1}`;
  const clear = `PERFORM pg_catalog.pg_notify(${names.channel}, '${clearPayload}');`;
  const body = `
DECLARE
  told_tags text[];
  told_tag text;
  item text;
  payload text := '';
BEGIN
  IF TG_OP = 'INSERT' THEN
    told_tags := ARRAY(${some(from('new_rows'))});
  ELSIF TG_OP = 'DELETE' THEN
    told_tags := ARRAY(${some(from('old_rows'))});
  ELSIF TG_OP = 'UPDATE' THEN
    told_tags := ARRAY(${some(`${from('old_rows')} UNION ALL ${from('new_rows')}`)});
  ELSE
    ${clear}
    RETURN NULL;
  END IF;
  IF pg_catalog.cardinality(told_tags) > ${mostTags} THEN
    ${clear}
    RETURN NULL;
  END IF;
  FOREACH told_tag IN ARRAY told_tags LOOP
    item := pg_catalog.to_json(told_tag)::text;
    IF pg_catalog.octet_length(item) > ${payloadBytes} THEN
      ${clear}
      RETURN NULL;
    END IF;
    IF pg_catalog.octet_length(payload) + pg_catalog.octet_length(item) >= ${payloadBytes} THEN
      PERFORM pg_catalog.pg_notify(${names.channel}, '[' || payload || ']');
      payload := '';
    END IF;
    payload := payload || CASE payload WHEN '' THEN '' ELSE ',' END || item;
  END LOOP;
  IF payload <> '' THEN
    PERFORM pg_catalog.pg_notify(${names.channel}, '[' || payload || ']');
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  -- A column that is gone, for example. The write goes on, and whoever listens hears that anything may have changed.
  RAISE WARNING 'cachette: the changed tags of % could not be told: %', TG_TABLE_NAME, SQLERRM;
  ${clear}
  RETURN NULL;
END;
`;
  const quote = dollarQuote(body);
  return `CREATE OR REPLACE FUNCTION ${names.function}() RETURNS trigger LANGUAGE plpgsql AS ${quote}${body}${quote};\n`;
}

/** One that does not stand in the text. */
function dollarQuote(text: string): string {
  let quote = '$cachette$';
  for (let n = 1; text.includes(quote); n++) quote = `$cachette${n}$`;
  return quote;
}

function createTriggerSql(names: Names, event: (typeof events)[number]): string {
  const when = `AFTER ${event.toUpperCase()} ON ${names.table}${referencing[event]}`;
  return `${dropTriggerSql(names, event)}CREATE TRIGGER ${names.trigger(event)} ${when}
  FOR EACH STATEMENT EXECUTE FUNCTION ${names.function}();
`;
}

function dropTriggerSql(names: Names, event: string): string {
  return `DROP TRIGGER IF EXISTS ${names.trigger(event)} ON ${names.table};\n`;
}
