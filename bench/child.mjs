/** One run: one scenario with one contestant, given as JSON. Prints what was measured as JSON, in its last line. */

import { writeSync } from 'node:fs';
import { scenarios } from './scenarios.mjs';

const job = JSON.parse(process.argv[2] ?? '{}');
const values = await scenarios[job.scenario].measure(job);
writeSync(1, `\n${JSON.stringify(values)}\n`);
// whatever a library still keeps open
process.exit(0);
