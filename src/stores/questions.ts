/** Processes ask each other how they are, over the bus: who asks waits for all answers, within bounds. */

import { nextTurn, type Time, withDeadline } from '../policies/deadline.js';
import { type BusMessage, everyone, type StoreBus, writeMessage } from './bus.js';

/** What this process says when it is asked something, at once or later; undefined: nothing. */
export type Answering = (question: string) => string | undefined | Promise<string | undefined>;

export interface QuestionsOptions {
  /** Of this process on the bus. */
  readonly id: string;
  readonly bus: StoreBus;
  readonly answer: Answering;
  /** Sends; undefined if it fails. */
  readonly publish: (message: string, to?: string) => Promise<{ readonly receivers: unknown } | undefined>;
  readonly time: Time;
}

/** A question that has not come back is sent again. */
const repeatMs = 100;
/** Who can reach the bus can answer anything, as often as it likes. */
const answersAtMost = 1_000;
const answerCharsAtMost = 1_000_000;
/** All answers to one question together. */
const answeredCharsAtMost = 20_000_000;
/** Of others that wait for their answer here; one more is not answered. */
const questionsAtMost = 20;

/** A question to all, and what has come of it. */
interface Inquiry {
  /** By process. */
  readonly answers: Map<string, string>;
  /** That have come in. */
  chars: number;
  /** How many processes it was sent to, this one included; undefined where the bus does not say. */
  receivers: number | undefined;
  /** It came back, and so answers will. */
  echoed: boolean;
  readonly end: () => void;
}

export class Questions {
  readonly #options: QuestionsOptions;
  readonly #inquiries = new Map<number, Inquiry>();
  #asked = 0;
  /** Questions of others that are still to be answered. */
  #toAnswer = 0;
  #closed = false;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Sent again until it comes back: who has just subscribed does not hear the first answers. */
  async ask(question: string, waitMs: number): Promise<readonly string[]> {
    const { id, time } = this.#options;
    const asked = ++this.#asked;
    const text = writeMessage({ kind: 'ask', from: id, asked, question });
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const inquiry: Inquiry = { answers: new Map(), chars: 0, receivers: undefined, echoed: false, end };
    this.#inquiries.set(asked, inquiry);
    const endsAt = time.monotonicMs() + waitMs;
    for (let leftMs = waitMs; leftMs > 0 && !inquiry.echoed; leftMs = endsAt - time.monotonicMs()) {
      await withDeadline(this.#send(inquiry, text), leftMs, { time }).catch(() => undefined);
      await withDeadline(ended, Math.min(repeatMs, leftMs), { time }).catch(() => undefined);
    }
    await withDeadline(ended, Math.max(0, endsAt - time.monotonicMs()), { time }).catch(() => undefined);
    this.#inquiries.delete(asked);
    return [...inquiry.answers.values()];
  }

  /** A question of this process has come back. */
  returned({ asked }: { readonly asked: number }): void {
    const inquiry = this.#inquiries.get(asked);
    if (!inquiry) return;
    inquiry.echoed = true;
    endIfAnswered(inquiry);
  }

  answered({ asked, from, answer }: Extract<BusMessage, { kind: 'tell' }>): void {
    const inquiry = this.#inquiries.get(asked);
    if (!inquiry || inquiry.answers.size >= answersAtMost || answer.length > answerCharsAtMost) return;
    inquiry.chars += answer.length;
    if (inquiry.chars > answeredCharsAtMost) return;
    inquiry.answers.set(from, answer);
    endIfAnswered(inquiry);
  }

  /** Not in the turn in which messages come: heartbeats and announcements go first. */
  answerLater({ from, asked, question }: Extract<BusMessage, { kind: 'ask' }>): void {
    if (this.#toAnswer >= questionsAtMost) return;
    this.#toAnswer++;
    nextTurn(() => {
      // Who asks a process that cannot answer gets no answer.
      const answered = this.#answer(from, asked, question).catch(() => undefined);
      void answered.finally(() => this.#toAnswer--);
    });
  }

  async #answer(from: string, asked: number, question: string): Promise<void> {
    if (this.#closed) return;
    const { id, answer, publish } = this.#options;
    const said = await answer(question);
    if (said === undefined || this.#closed) return;
    await publish(writeMessage({ kind: 'tell', from: id, asked, to: from, answer: said }), from);
  }

  close(): void {
    this.#closed = true;
  }

  async #send(inquiry: Inquiry, text: string): Promise<void> {
    const { bus, publish } = this.#options;
    const sent = await publish(text, bus.attend && everyone);
    if (typeof sent?.receivers === 'number') inquiry.receivers = sent.receivers;
    endIfAnswered(inquiry);
  }
}

function endIfAnswered({ answers, receivers, echoed, end }: Inquiry): void {
  if (echoed && receivers !== undefined && answers.size >= receivers - 1) end();
}
