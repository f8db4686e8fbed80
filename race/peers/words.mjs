/** The steps of a program, told so that a reader can follow them. */

/** @typedef {readonly [pattern: RegExp, words: (...parts: string[]) => string]} Rule */

/** What has no rule is not told. @type {readonly Rule[]} */
const rules = [
  [/^(P\d) \{"do":"read","method":"one","row":(\d)\}$/, (process, row) => `${process} is asked for row ${row}.`],
  [/^(P\d) \{"do":"write","row":(\d)\}$/, (process, row) => `${process} changes row ${row} in the database.`],
  [/^(P\d) \{"do":"pass","ms":(\d+)\}$/, (_process, ms) => `${Number(ms) / 1_000} s are waited for by a caller.`],
  [/^(P\d): has written$/, (process) => `${process} begins to invalidate it.`],
  [
    /^(P\d) begins to load row (\d) in version (\d)$/,
    (process, row, version) => `${process} reads version ${version} of row ${row} from the database.`,
  ],
  [
    /^(P\d) has loaded row (\d) in version (\d)$/,
    (process, row, version) => `Version ${version} of row ${row} reaches ${process}.`,
  ],
  [/^(P\d) write\((\d)\) is \w+$/, (process, row) => `The invalidation of row ${row} has resolved in ${process}.`],
  [/^(P\d): hears (.*)$/, (process, message) => `${process} hears \`${messageIn(message)}\`.`],
  [/^(P\d): (.*), the reply$/, (process, command) => `${process} has the reply to \`${command}\`.`],
  [/^(P\d): (loads|goes|rests).*$/, () => ''],
  [/^(P\d): a timer, at (\d+) ms$/, (_process, ms) => `Time goes on to ${ms} ms.`],
  [/^(P\d): (.*)$/, (process, command) => `The server carries out \`${command}\` for ${process}.`],
  [
    /^(P\d) one\((\d)\) gives .*"rows":\{"\d":(\d)\}.*$/,
    (process, row, version) => `${process} is given version ${version} of row ${row}.`,
  ],
  [
    /^in the end, (P\d) one\((\d)\) gives .*"rows":\{"\d":(\d)\}.*$/,
    (process, row, version) => `Everything has come to rest, and ${process} is given version ${version} of row ${row}.`,
  ],
  [
    /^at rest, (P\d) one\((\d)\) gives .*"rows":\{"\d":(\d)\}.*$/,
    (process, row, version) =>
      `Everything has come to rest, and ${process} is given version ${version} of row ${row}: it stays stale until its time is over.`,
  ],
];

/** Is said when the callers have ended. */
export const quiet = 'all is quiet';

/**
 * @param {readonly string[]} steps
 * @param {string} wrong what the judge said
 * @returns {readonly string[]} up to the one that was wrong
 */
export function inWords(steps, wrong) {
  const [, what = '', row, version] = /^STALE: (.*\)) gave row (\d) in version (\d)/.exec(wrong) ?? [];
  const end = steps.findLastIndex(
    (step) => step.startsWith(`${what} gives`) && step.includes(`"rows":{"${row}":${version}}`),
  );
  const callersEnd = steps.indexOf(quiet);
  const before = steps.slice(0, callersEnd < 0 ? end : Math.min(end, callersEnd));
  return [...before, .../** @type {string[]} */ (steps.slice(end, end + 1))].map(told).filter((words) => words !== '');
}

/** @param {string} step */
function told(step) {
  for (const [pattern, words] of rules) {
    const parts = pattern.exec(step);
    if (parts) return words(...parts.slice(1));
  }
  return '';
}

/**
 * Without the names that libraries make up.
 *
 * @param {string} text
 */
function messageIn(text) {
  const [channel, message] = JSON.parse(text);
  const { payload, data } = JSON.parse(message);
  return payload ? [payload.type, ...payload.keys].join(' ') : [channel, data.key].join(' ');
}
