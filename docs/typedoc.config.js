import { pages, sectionTitles } from './pages.js';

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'quasi-newton',
  tsconfig: 'tsconfig.json',
  basePath: '..',
  entryPoints: [
    '../src/index.ts',
    '../src/adapters/tfjs/index.ts',
    '../src/adapters/onnx/index.ts',
    '../src/adapters/bullmq/index.ts',
    '../src/recipes/index.ts',
  ],
  out: 'site',
  readme: 'landing.md',
  projectDocuments: pages,
  plugin: ['./pages.js'],
  customCss: 'site.css',
  customJs: 'site.js',
  favicon: 'favicon.svg',
  includeVersion: true,
  searchInDocuments: true,
  disableSources: true,
  excludePrivate: true,
  excludeExternals: true,
  sort: ['kind', 'instance-first', 'alphabetical-ignoring-documents'],
  categoryOrder: [...sectionTitles, 'API reference', '*'],
  defaultCategory: 'API reference',
  categorizeByGroup: false,
  groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables'],
  navigation: { includeCategories: true, includeGroups: true },
  headings: { readme: false, document: true },
  highlightLanguages: ['bash', 'html', 'javascript', 'json', 'sh', 'text', 'ts', 'typescript'],
  // Every public symbol has a docstring, and every link leads somewhere.
  validation: { notExported: false, invalidLink: true, invalidPath: true, notDocumented: true },
  requiredToBeDocumented: ['Class', 'Enum', 'Function', 'Interface', 'TypeAlias', 'Variable'],
  treatValidationWarningsAsErrors: true,
};
