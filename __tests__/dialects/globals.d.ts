/** Which decorators this run of the suite was compiled to; jest.config.cjs sets it. */
declare const DIALECT: 'legacy' | 'standard';

/** Which tool compiled this run of the suite; only tsc and swc write `design:*` metadata, in the legacy dialect. */
declare const COMPILER: 'tsc' | 'esbuild' | 'swc';
