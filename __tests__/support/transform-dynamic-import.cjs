/** Makes `require()` of `import()` in a library of CommonJS, as jest cannot do the latter. */

module.exports = {
  /** @param {string} source */
  process: (source) => ({ code: source.replace(/\bimport\(('[^']+')\)/g, 'Promise.resolve(require($1))') }),
};
