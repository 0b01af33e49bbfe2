import type { Options } from 'tsup'

/** What every package's build shares; see ARCHITECTURE.md, "Build". */
export const base: Options = {
  entry: ['src/index.ts'],
  format: ['esm'],
  target: 'node22',
  platform: 'node',
  // Schemas of internal modules have inferred types; `deno publish` sees to those of the public API.
  dts: { compilerOptions: { isolatedDeclarations: false } },
  sourcemap: true,
  clean: true,
  treeshake: true,
  // tsup would turn `node:sqlite` into `sqlite`, which does not exist.
  removeNodeProtocol: false,
}
