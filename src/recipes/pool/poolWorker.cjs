// piscina loads its workers by `require`. Of an ES module that loads synchronously, and a thread that is ended
// meanwhile takes the whole process down (Node 20); `import()` from here does not.

/** @param {Uint32Array} cells */
module.exports = async (cells) => (await import('./worker.ts')).default(cells);
