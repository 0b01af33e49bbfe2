/** Cases by the reason why they are left out. */
export type LeftOut = Readonly<Record<string, readonly string[]>>

/** What the driver suite asks of a driver and Windows has not. */
export const NOT_OF_DRIVERS: LeftOut = {
  'a file has no mode, no owner and no device of Linux': [
    'driver: a mode alone is a change, and of that file only',
    'driver: modes are kept: sticky directory, setuid file, no bits at all',
    'driver: hard links are one file, within the layer and in its tar',
    'driver: hostile tar: fifo that claims a size (applies)',
    'driver: hostile tar: uid 2^32 - 1 (refused)',
    'driver: hostile tar: uid 2^32 (refused)',
    'driver: hostile tar: uid 2^32 + 1 (refused)',
    'driver: hostile tar: uid -1 (refused)',
    'driver: hostile tar: gid 2^40 (refused)',
  ],
  'names are Unicode, and \\ and : have a meaning': [
    'driver: names that are not UTF-8 are kept byte for byte',
    'driver: odd tar: names with spaces, signs and scripts (applies)',
  ],
  'nothing is put behind a link, not even where it would stay inside': [
    'driver: files gives payloads by the raw name in the tar, in any order, more than once',
    'driver: every payload of a layer is either in it or displaced',
    'driver: odd tar: file in a directory reached by an absolute symlink (applies)',
  ],
  'a read-write layer stands on files, is no parent, takes no tar, and is copied only at rest': [
    'driver: a read-write layer on an init layer sees and does not change it',
    'driver: a layer that is applied on a read-write layer changes what is there',
    'driver: sizes count what is in the files, a hard link once',
    'driver: a copy has the files, the changes and the size of its original',
    'driver: a copy and its original do not see each other',
    'driver: a layer is copied while it is mounted',
    'driver: a copy may stand on a copy of what its original stands on',
  ],
  'an imitation cannot keep programs from writing': [
    'driver: a read-only mount says so, and the kernel keeps it so',
  ],
  'layers share files by hard links, which shows in the number of their names': [
    'driver: a diff from nothing is the whole file system',
  ],
  'the lens writes no sparse entries; see codec.test.ts': [
    'driver: odd tar: GNU sparse file (applies)',
    'driver: odd tar: PAX sparse file, version 0.1 (applies)',
    'driver: odd tar: PAX sparse file, version 1.0 (applies)',
  ],
}

/** What the store suite asks of a store and Windows has not. */
export const NOT_OF_STORES: LeftOut = {
  'a read-write layer needs a parent': [
    'store: a name is taken once, by whoever comes first, and a bad one never',
    'store: annotations are kept',
    'store: a name is taken once among two stores, and its layer used by both',
  ],
  'a read-write layer is no parent': [
    'store: what init changes is there, and is no change, no size and in no tar',
  ],
  'a read-write layer takes no tar': [
    'store: a layer tar can be applied on the present state',
    'store: a layer begins with the changes that it was given',
  ],
  'a copy stands on layers with files, and in an imitation has times of its own': [
    'store: a copy starts with the present state, and both go their own ways',
    'store: a copy has what init prepared, as no change of its own',
    'store: a copy under a name that is taken leaves nothing',
  ],
}
