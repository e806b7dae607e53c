// Pieces of WebAssembly text that all kernels are written with.

/** @param {string} name */
export const get = (name) => `(local.get $${name})`;

/** @param {string} name @param {string} value */
export const set = (name, value) => `(local.set $${name} ${value})`;

/** @param {string} type @param {readonly string[]} names */
export const parameters = (type, names) => names.map((name) => `(param $${name} ${type})`).join(' ');

/** @param {readonly string[]} names */
export const vectors = (names) => names.map((name) => `(local $${name} v128)`).join(' ');

/** The names of some things of one kind. @param {string} name @param {number} count */
export const numbered = (name, count) => Array.from({ length: count }, (_, index) => `${name}${index}`);
