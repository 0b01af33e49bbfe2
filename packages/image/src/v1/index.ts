export { type MadeV1Image, v1ChainOf } from './from-config.ts'
export { configOfV1, type V1Step } from './to-config.ts'
export { isV1ID, parentOfV1, parseV1Image, type V1Image } from './v1-image.ts'
