/** A jest transformer that compiles TypeScript with swc, to CommonJS, in the dialect that it is configured with. */

const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const swc = require('@swc/core');

const own = readFileSync(__filename);

/** @type {Record<'legacy' | 'standard', import('@swc/core').TransformConfig>} */
const decorators = {
  legacy: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
  standard: { decoratorVersion: '2022-03', useDefineForClassFields: true },
};

/** @param {{ dialect: 'legacy' | 'standard' }} config */
exports.createTransformer = ({ dialect }) => ({
  /**
   * @param {string} source
   * @param {string} path
   * @returns {{ code: string }}
   */
  process(source, path) {
    const { code } = swc.transformSync(source, {
      filename: path,
      swcrc: false,
      configFile: false,
      sourceMaps: 'inline',
      module: { type: 'commonjs' },
      jsc: {
        target: 'es2022',
        keepClassNames: true,
        parser: { syntax: 'typescript', decorators: true },
        transform: decorators[dialect],
      },
    });
    return { code };
  },

  /**
   * @param {string} source
   * @param {string} path
   * @returns {string}
   */
  getCacheKey(source, path) {
    return createHash('sha256').update(own).update(`\0${swc.version}\0${dialect}\0${path}\0${source}`).digest('hex');
  },
});
