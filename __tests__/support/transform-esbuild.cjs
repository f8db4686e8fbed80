/** A jest transformer that compiles TypeScript with esbuild, to CommonJS, in the dialect that it is configured with. */

const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const esbuild = require('esbuild');

const own = readFileSync(__filename);

/** @param {{ dialect: 'legacy' | 'standard' }} config */
exports.createTransformer = ({ dialect }) => ({
  /**
   * @param {string} source
   * @param {string} path
   * @returns {{ code: string }}
   */
  process(source, path) {
    const { code } = esbuild.transformSync(source, {
      sourcefile: path,
      loader: 'ts',
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      sourcemap: 'inline',
      tsconfigRaw: {
        compilerOptions: { experimentalDecorators: dialect === 'legacy', useDefineForClassFields: true },
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
    return createHash('sha256')
      .update(own)
      .update(`\0${esbuild.version}\0${dialect}\0${path}\0${source}`)
      .digest('hex');
  },
});
