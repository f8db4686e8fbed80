/** Runs code here, in the test's own process, with the modules that the test has. */

import ts from 'typescript';
import type { Dialect } from './program.js';

/** Throws what the code throws. Each of `names` is a variable that the code sees. */
export function evaluate(
  code: string,
  names: Readonly<Record<string, unknown>> = {},
  dialect: Dialect = 'standard',
): unknown {
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- documentation is code that is known as text only
  return new Function('require', 'exports', ...Object.keys(names), translated(code, dialect).outputText)(
    require,
    {},
    ...Object.values(names),
  );
}

/** Whether TypeScript can read it. */
export function isValid(code: string): boolean {
  return translated(code, 'standard').diagnostics?.length === 0;
}

const translations = new Map<string, ts.TranspileOutput>();

function translated(code: string, dialect: Dialect): ts.TranspileOutput {
  const known = translations.get(dialect + code);
  if (known) return known;
  const compilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    esModuleInterop: true,
    experimentalDecorators: dialect === 'legacy',
  };
  const made = ts.transpileModule(code, { compilerOptions, reportDiagnostics: true });
  translations.set(dialect + code, made);
  return made;
}
