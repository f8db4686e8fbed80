import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Tests that run alone or not at all do not get in by accident. */
const focusedTests = {
  selector:
    'CallExpression[callee.object.name=/^(it|test|describe)$/][callee.property.name=/^(only|skip|todo)$/], CallExpression[callee.name=/^(fit|fdescribe|xit|xtest|xdescribe)$/]',
  message: 'A focused or skipped test hides others: say in a comment why, or run it.',
};

export default defineConfig(
  { ignores: ['dist/', 'dist-examples/', 'docs/', 'coverage/', '.cache/', '__tests__/types/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  {
    name: 'typescript',
    files: ['**/*.ts'],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: 'tsconfig.eslint.json',
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': [
        'error',
        // `typeof import('x')` names what is loaded later
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/max-params': ['error', { max: 4 }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-else-return': ['error', { allowElseIf: false }],
      eqeqeq: 'error',

      // numbers and booleans read well in messages; objects are what the rule is for
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // guards read `if (…) return reject(error)`, handlers `() => void queue.push(x)`
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // takes a field that changes during an `await` for constant, and checks of what users hand in for useless
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // `_` marks what a signature demands and the body does not need
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
      // null objects and default callbacks are empty on purpose
      '@typescript-eslint/no-empty-function': 'off',
      // implementing a promise-returning interface without waiting is normal for memory and null objects
      '@typescript-eslint/require-await': 'off',
      // the cache hands on whatever the method threw, an Error or not, as the same object
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowRethrowing: true }],
      // inference from a method needs type parameters that appear once (design, section 1)
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
    },
  },

  {
    name: 'src',
    files: ['src/**/*.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Export by name: a reader then finds it under one name.' },
        {
          selector: "ImportDeclaration[specifiers.length=0]:not([source.value='reflect-metadata'])",
          message: 'Importing only for the effect breaks `sideEffects: false`.',
        },
        { selector: 'TSEnumDeclaration', message: 'Write a union of literals.' },
        { selector: "TSParameterProperty, PropertyDefinition[accessibility='private']", message: 'Write `#name`.' },
      ],
      'no-restricted-globals': [
        'error',
        // users' fake timers would hang calls that wait for these (design, section 3)
        { name: 'setImmediate', message: 'Faked in users’ tests: gather by promise jobs.' },
        { name: 'queueMicrotask', message: 'Faked in users’ tests: gather by promise jobs.' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'nextTick', message: 'Faked in users’ tests: gather by promise jobs.' },
      ],
    },
  },

  {
    name: 'tests, examples, benchmarks',
    files: ['__tests__/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', focusedTests],
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      // services under test have methods and classes of every odd shape
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/class-methods-use-this': 'off',
      '@typescript-eslint/max-params': 'off',
      // `expect(service.find)` and `cache.forget(this, this.find, …)` hand methods around on purpose
      '@typescript-eslint/unbound-method': 'off',
      // what the test has just set up is there
      '@typescript-eslint/no-non-null-assertion': 'off',
      // jest's matchers (`expect.any`) and parsed JSON are `any`
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // odd values are what some tests are about
      'no-sparse-arrays': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      // a test may throw, reject with and stringify anything
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
    },
  },

  {
    name: 'tools',
    files: ['**/*.{js,mjs,cjs}'],
    extends: [js.configs.recommended, tseslint.configs.strict],
    languageOptions: {
      globals: nodeGlobals(['process', 'console', 'performance', 'setTimeout', 'clearTimeout', 'URL']),
    },
    rules: { 'no-else-return': ['error', { allowElseIf: false }], eqeqeq: 'error' },
  },
  {
    name: 'CommonJS tools',
    files: ['**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: nodeGlobals(['require', 'module', 'exports', '__filename']) },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);

/** @param {string[]} names */
function nodeGlobals(names) {
  return Object.fromEntries(names.map((name) => [name, /** @type {const} */ ('readonly')]));
}
