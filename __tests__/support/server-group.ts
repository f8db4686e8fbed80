/** Several servers that live and die together. */
import type { TestServer } from './server-process.js';

/** Starts all at once; where one fails, those that came up are stopped before the error is thrown. */
export async function startTogether<S extends TestServer>(starts: readonly Promise<S>[]): Promise<S[]> {
  const results = await Promise.allSettled(starts);
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failure = results.find((result) => result.status === 'rejected');
  if (failure === undefined) return servers;
  await stopTogether(servers);
  throw failure.reason;
}

export async function stopTogether(servers: readonly TestServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

/** Stops what runs already when a later step fails, so that a failed start leaves nothing behind. */
export async function orStop<T>(servers: readonly TestServer[], step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    await stopTogether(servers);
    throw error;
  }
}
