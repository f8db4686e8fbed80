import { duration, type Duration, durationMs } from '../../src/base/duration.js';
import { isCacheConfigError } from '../../src/base/errors.js';

describe('a duration', () => {
  it.each<[Duration, number]>([
    [1, 1],
    [250, 250],
    [0.4, 1],
    [99.01, 100],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [Infinity, Infinity],
    ['1ms', 1],
    ['0.5ms', 1],
    ['500ms', 500],
    ['30s', 30_000],
    ['007s', 7_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['0.1m', 6_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['365d', 31_536_000_000],
  ])('of %p is %p milliseconds', (value, ms) => {
    expect(durationMs(value, 'here')).toBe(ms);
  });

  it.each<[unknown, shown: string]>([
    [0, '0'],
    [-1, '-1'],
    [-Infinity, '-Infinity'],
    [NaN, 'NaN'],
    [Number.MAX_SAFE_INTEGER + 1, '9007199254740992'],
    [null, 'null'],
    [undefined, 'undefined'],
    [true, 'true'],
    [5n, '5'],
    [{ ms: 5 }, 'an object'],
    [['5m'], 'an object'],
    [Symbol('5m'), 'Symbol(5m)'],
    ['', "''"],
    ['5', "'5'"],
    ['m', "'m'"],
    ['0s', "'0s'"],
    ['0.0d', "'0.0d'"],
    ['-5m', "'-5m'"],
    ['+5m', "'+5m'"],
    [' 5s', "' 5s'"],
    ['5s ', "'5s '"],
    ['5s\n', "'5s\n'"],
    ['5 s', "'5 s'"],
    ['5S', "'5S'"],
    ['0x10s', "'0x10s'"],
    ['1e3s', "'1e3s'"],
    ['.5s', "'.5s'"],
    ['5.s', "'5.s'"],
    ['1_000ms', "'1_000ms'"],
    ['٥s', "'٥s'"],
    ['5m5s', "'5m5s'"],
    ['5w', "'5w'"],
    ['Infinity', "'Infinity'"],
    ['NaNs', "'NaNs'"],
    ['999999999999d', "'999999999999d'"],
  ])('is not %p, and the message says so', (value, shown) => {
    const attempt = (): number => durationMs(value as Duration, '@Cached on Products.find');
    expect(attempt).toThrow(`@Cached on Products.find: ${shown} is not a duration; write milliseconds above 0`);
    expect(isCacheConfigError(thrownBy(attempt))).toBe(true);
  });

  it('from configuration is a text and nothing else', () => {
    expect(duration('90s')).toBe(90_000);
    expect(() => duration('90')).toThrow("duration(): '90' is not a duration");
  });
});

function thrownBy(attempt: () => unknown): unknown {
  try {
    return attempt();
  } catch (error) {
    return error;
  }
}
