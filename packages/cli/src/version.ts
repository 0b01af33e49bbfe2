import manifest from '../package.json' with { type: 'json' }

/** Version of this varve. */
export const version: string = manifest.version
