/** WebAssembly as tests watch and restrict it. */
import { vi } from 'vitest';

export const PAGE = 2 ** 16;

/** What modules that are loaded afterwards do with WebAssembly. */
export interface Watched {
  memories: { descriptor: WebAssembly.MemoryDescriptor; memory: WebAssembly.Memory }[];
  modules: number;
  /** Number of calls of each kernel. */
  calls: Record<string, number>;
  /** Sizes by which memories were to grow. */
  growth: number[];
  refuses: 'nothing' | 'modules' | 'memories' | 'growth' | 'instances';
}

/** Watches WebAssembly in modules that are loaded from now on, until {@link unwatch}. */
export function watch(): Watched {
  const watched: Watched = { memories: [], modules: 0, calls: {}, growth: [], refuses: 'nothing' };
  const real = WebAssembly;
  const refuse = (what: Watched['refuses']) => {
    if (watched.refuses === what) throw new RangeError(`no ${what}`);
  };
  class Memory extends real.Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      refuse('memories');
      super(descriptor);
      watched.memories.push({ descriptor, memory: this });
    }
    override grow(pages: number): number {
      watched.growth.push(pages);
      refuse('growth');
      return super.grow(pages);
    }
  }
  class Module extends real.Module {
    constructor(bytes: BufferSource) {
      watched.modules++;
      refuse('modules');
      super(bytes);
    }
  }
  class Instance {
    readonly exports: Record<string, unknown>;
    constructor(module: WebAssembly.Module, imports: WebAssembly.Imports) {
      refuse('instances');
      this.exports = Object.fromEntries(
        Object.entries(new real.Instance(module, imports).exports).map(([name, kernel]) => [
          name,
          (...values: number[]) => {
            watched.calls[name] = (watched.calls[name] ?? 0) + 1;
            return (kernel as (...all: number[]) => number)(...values);
          },
        ]),
      );
    }
  }
  vi.stubGlobal('WebAssembly', { ...real, Memory, Module, Instance });
  vi.resetModules();
  return watched;
}

export function unwatch(): void {
  vi.unstubAllGlobals();
  vi.resetModules();
}
