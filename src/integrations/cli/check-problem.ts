/** What `cachette check` tells of one method. */

export const rules = ['names', 'ttl', 'tags'] as const;
export type Rule = (typeof rules)[number];

export interface Problem {
  readonly file: string;
  readonly method: string;
  readonly rule: Rule;
  readonly message: string;
  /** It may be right: what would tell is not in the text. */
  readonly isDoubt?: boolean;
}
