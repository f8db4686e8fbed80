/** What runs in the thread of `DatabaseThread`. */

import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Question } from './database-thread.js';
import { openDatabase, places } from './database.js';

const database = await openDatabase(places.slice(0, workerData as number | undefined));

parentPort?.on('message', (question: Question) => {
  void answer(question).then((reply) => parentPort?.postMessage(reply));
});

async function answer({ id, sql, parameters }: Question): Promise<Answer> {
  try {
    const { rows } = await database.query(sql, parameters);
    return { id, rows };
  } catch (error) {
    return { id, error };
  }
}
