/** A server that somebody else runs and that the tests only use: it cannot be killed, frozen or restarted. */
import type { TestServer } from './server-process.js';

export interface ExternalServer {
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  /** The environment variable that named it. */
  readonly variable: string;
}

export function externalServer({ uri, host, port, variable }: ExternalServer): TestServer {
  const refusal = () =>
    new Error(
      `The server of ${variable} is not ours to control. Pass options, if only {}, to start one for this test.`,
    );
  const refuse = () => Promise.reject(refusal());
  const refuseNow = () => {
    throw refusal();
  };
  return {
    uri,
    host,
    port,
    pid: undefined,
    kill: refuse,
    freeze: refuseNow,
    thaw: refuseNow,
    restart: refuse,
    stop: async () => {},
  };
}
