import { FILE_SYSTEMS } from './file-systems.ts'
import { losePowerOn } from './suite.ts'

losePowerOn(FILE_SYSTEMS.btrfs)
