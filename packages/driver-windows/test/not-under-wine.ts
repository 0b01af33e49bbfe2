/**
 * What of the suites other Windows may do, and a Node for Windows under wine cannot.
 *
 * @module
 */
import type { LeftOut } from './not-on-windows.ts'

/** Of the driver suite. */
export const DRIVERS_NOT_UNDER_WINE: LeftOut = {
  'wine has no links that programs could make or see': [
    'driver: changes are exactly what was added, modified and deleted, sorted, parents included',
    'driver: changes are told while the layer is mounted',
    'driver: a hard link to a symlink is the symlink',
  ],
  'Node tells programs one mode for every directory of Windows': [
    'driver: an empty layer exists, is empty, and its root is 0755',
  ],
  'Node takes times before 1970 for times after 2038 on Windows': [
    'driver: times are kept, those of directories too, whatever is put in them later',
  ],
  'the name of a file outside has a drive in front here, and is refused': [
    'driver: hostile tar: absolute name (applies)',
  ],
  'a disk of our library is a folder, which the copy of one file does not bring': [
    'driver: a copy has the files, the changes and the size of its original',
    'driver: a copy and its original do not see each other',
    'driver: a layer is copied while it is mounted',
    'driver: a copy may stand on a copy of what its original stands on',
  ],
  'wine looks at every directory on the way, at each call, which takes a minute': [
    'driver: hostile tar: directories 300 deep (applies)',
    'driver: a stack as deep as the driver allows can be read, up to 128',
    'driver: a path of ten directories is deleted and made again at every depth (echo)',
  ],
}

/** Of the store suite. */
export const STORES_NOT_UNDER_WINE: LeftOut = {
  'a disk of our library is a folder, which the copy of one file does not bring': [
    'store: a copy starts with the present state, and both go their own ways',
    'store: a copy has what init prepared, as no change of its own',
    'store: a copy under a name that is taken leaves nothing',
  ],
  'a hundred layers take wine half a minute': [
    'store: a chain is 125 layers deep at most, and two fewer than the driver takes',
  ],
}
