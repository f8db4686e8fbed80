/** A screen of its own that is drawn over again and again, and is gone afterwards. */

import type { Terminal } from './command.js';

/** The other screen, without cursor, and without wrapping what is too wide. */
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';

/** Each line is drawn over and cut off behind its end, so that nothing is empty for a moment. */
export function frame(lines: readonly string[], rows: number): string {
  const shown = lines.slice(0, Math.max(1, rows - 1));
  return `\u001b[H${shown.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`;
}

/** What else can be done on it than to look. */
export interface Keys {
  /** A key that does not end it. */
  readonly press: (key: string) => void;
  /** What was shown is gone. */
  readonly draw: () => Promise<void>;
}

/** Runs `work` on it, until that ends, `q` or Ctrl-C is pressed, or the program is told to end. Ctrl-Z puts it aside. */
export async function onScreen(
  terminal: Terminal,
  { press, draw }: Keys,
  work: (ended: AbortSignal) => Promise<void>,
): Promise<void> {
  const quitting = new AbortController();
  let isAside = false;
  const putAside = (): void => {
    isAside = true;
    terminal.out(leave);
    terminal.suspend(() => {
      isAside = false;
      terminal.out(enter);
      void draw();
    });
  };
  const forget = terminal.listen((key) => {
    if (['q', 'Q', '\u0003', '\u0004'].includes(key)) quitting.abort();
    else if (key === '\u001a' && !isAside) putAside();
    else press(key);
  });
  terminal.out(enter);
  try {
    await work(AbortSignal.any([quitting.signal, terminal.stopped]));
  } finally {
    terminal.out(leave);
    forget();
  }
}

/** Without a screen: until the program is told to end. */
export async function untilStopped(terminal: Terminal, work: (ended: AbortSignal) => Promise<void>): Promise<void> {
  const forget = terminal.listen();
  try {
    await work(terminal.stopped);
  } finally {
    forget();
  }
}
