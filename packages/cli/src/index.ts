/**
 * A whole store in one call, as the command opens it.
 *
 * @module
 */
export { type Converted, type ConvertOptions, convert } from './store/convert.ts'
export { type OpenedStore, type OpenOptions, open } from './store/open.ts'
