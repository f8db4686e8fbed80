/** What the processes of the example and the one that has the database tell each other. */

import type { Audit, CacheStats } from 'cachette';
import type { City } from './cities.js';
import type { WritesSoFar } from './checks.js';
import type { Answer, Question } from './database-thread.js';
import type { Method, Report } from './workload.js';

/** What a process is made with. */
export interface Setup {
  readonly stores: string[];
  readonly namespace: string;
  readonly readers: number;
  /** Differs between processes, so that each has chances of its own. */
  readonly seed: number;
}

/** A report that can be sent. */
export type SentReport = Omit<Report, 'latency'> & { readonly latency: Record<Method, [number, number][]> };

export type ToMember =
  | { readonly kind: 'open'; readonly setup: Setup }
  | { readonly kind: 'run'; readonly seconds: number; readonly isCached: boolean }
  | { readonly kind: 'standstill' }
  | ({ readonly kind: 'rows' } & Answer)
  | { readonly kind: 'writes'; readonly id: number; readonly writes: WritesSoFar }
  | { readonly kind: 'written'; readonly city: City };

export type FromMember =
  | { readonly kind: 'ready' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'report'; readonly report: SentReport; readonly stats: CacheStats; readonly audit: Audit }
  | ({ readonly kind: 'query' } & Question)
  | { readonly kind: 'writes'; readonly id: number }
  | { readonly kind: 'written'; readonly city: City | undefined }
  | { readonly kind: 'problem'; readonly message: string };
