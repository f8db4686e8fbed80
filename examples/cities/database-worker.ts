/** What runs in the thread of `DatabaseThread`. */

import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { triggersSql } from 'cachette/postgres';
import type { Answer, Command, Notification, Question } from './database-thread.js';
import { openDatabase, places } from './database.js';

let database: PGlite | undefined = await openDatabase(places.slice(0, workerData as number | undefined));
/** What a stopped database has left on its disk. */
let disk: Blob | undefined;

parentPort?.on('message', (message: Question | Command) => {
  void answer(message).then((reply) => parentPort?.postMessage(reply));
});

async function answer(message: Question | Command): Promise<Answer> {
  const { id } = message;
  try {
    return { id, rows: 'command' in message ? await carryOut(message) : await query(message) };
  } catch (error) {
    return { id, error };
  }
}

async function query({ sql, parameters }: Question): Promise<unknown[]> {
  if (!database) throw new Error('connect ECONNREFUSED: the database is stopped');
  return (await database.query(sql, parameters)).rows;
}

async function carryOut({ command }: Command): Promise<never[]> {
  if (command === 'stop') await stop();
  if (command === 'start' && disk) database = await PGlite.create({ loadDataDir: disk });
  if (command === 'tell') await tellOfChanges();
  return [];
}

/** Triggers notify of each row that changes, whoever changes it. */
async function tellOfChanges(): Promise<void> {
  await database?.exec(triggersSql({ table: 'cities', tags: ['city:{id}', 'country:{country}'] }));
  await database?.listen('cachette', (change) => parentPort?.postMessage({ change } satisfies Notification));
}

/** Who asks from now on is refused; what was asked before is still answered. */
async function stop(): Promise<void> {
  const stopping = database;
  database = undefined;
  disk = await stopping?.dumpDataDir('none');
  await stopping?.close();
}
