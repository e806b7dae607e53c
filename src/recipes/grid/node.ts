/**
 * Built-in modules of Node, loaded only by features that need them: the rest of the package also runs in browsers.
 *
 * @module
 */
import type events from 'node:events';
import type fs from 'node:fs';
import type module from 'node:module';
import type os from 'node:os';

interface NodeModules {
  'node:events': typeof events;
  'node:fs': typeof fs;
  'node:module': typeof module;
  'node:os': typeof os;
}

/** True if built-in modules of Node can be loaded. */
export const isNode = (): boolean =>
  typeof process !== 'undefined' && typeof process.getBuiltinModule === 'function';

/**
 * Returns a built-in module of Node.
 *
 * @param feature - the feature that needs it, for the message
 * @throws Error outside Node
 */
export function nodeModule<Name extends keyof NodeModules>(name: Name, feature: string): NodeModules[Name] {
  if (!isNode()) {
    throw new Error(`${feature} needs ${name}, which is available only in Node.`);
  }
  return process.getBuiltinModule(name);
}
