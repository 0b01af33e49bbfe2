/** The process that imports one layer: started by the driver, see its option `importIn`. */
import { runImportChild } from './driver/apply/child/import-child.ts'

await runImportChild()
