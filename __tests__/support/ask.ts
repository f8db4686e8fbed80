/** One question to a server over a connection of its own: sends the bytes, collects until the answer is whole. */
import { connect } from 'node:net';

export interface Question<T> {
  readonly host: string;
  readonly port: number;
  readonly text: string;
  /** `undefined` while bytes are missing. */
  parse(received: string): T | undefined;
  /** What an end of the connection before the whole answer means; an error unless stated. */
  onEnd?(received: string): T;
}

const ANSWER_WITHIN_MS = 5_000;

/** Rejects where nobody listens, the connection ends early, or 5 seconds pass (a frozen server). */
export function ask<T>({ host, port, text, parse, onEnd }: Question<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(text));
    let received = '';
    socket.setEncoding('utf8');
    socket.setTimeout(ANSWER_WITHIN_MS, () =>
      socket.destroy(new Error(`No answer from port ${port} in ${ANSWER_WITHIN_MS} ms.`)),
    );
    socket.on('data', (chunk: string) => {
      received += chunk;
      attempt(() => parse(received));
    });
    socket.once('end', () => {
      if (onEnd === undefined) reject(new Error(`Port ${port} ended the connection before answering.`));
      else attempt(() => onEnd(received));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`The connection to port ${port} closed before an answer.`)));

    function attempt(step: () => T | undefined): void {
      try {
        const answer = step();
        if (answer === undefined) return;
        resolve(answer);
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    }
  });
}
