/*
 * BackupRead and BackupWrite, which wine has not. A stream is: what lay before the data, the data (as
 * blocks, if they are sparse), what lay behind it.
 */
#include "fake.h"

#define SPARSE_FLAG 8

typedef struct {
  BYTE *bytes;
  UINT64 offset, size;
} Segment;

struct Reader {
  HANDLE file;
  Segment *segments;
  int count, at;
  UINT64 done;
};

static void addSegment(Reader *reader, const void *bytes, UINT64 offset, UINT64 size) {
  if (size == 0) return;
  reader->segments = realloc(reader->segments, (reader->count + 1) * sizeof(Segment));
  Segment *segment = &reader->segments[reader->count++];
  *segment = (Segment){NULL, offset, size};
  if (bytes) segment->bytes = memcpy(malloc(size), bytes, size);
}

static void addHeader(Reader *reader, DWORD id, DWORD attributes, UINT64 size, DWORD nameBytes) {
  BYTE header[20];
  memcpy(header, &id, 4);
  memcpy(header + 4, &attributes, 4);
  memcpy(header + 8, &size, 8);
  memcpy(header + 16, &nameBytes, 4);
  addSegment(reader, header, 0, 20);
}

static void addParts(Reader *reader, const Rest *rest, int behindData, BOOL security) {
  for (const Part *part = rest ? rest->parts : NULL; part; part = part->next) {
    if (part->behindData != behindData) continue;
    if (part->id == BACKUP_SECURITY_DATA && !security) continue;
    addHeader(reader, part->id, part->attributes, part->size, part->nameBytes);
    addSegment(reader, part->name, 0, part->nameBytes);
    addSegment(reader, part->payload, 0, part->size);
  }
}

static void addBlocks(Reader *reader, const Rest *rest, UINT64 size) {
  addHeader(reader, BACKUP_DATA, SPARSE_FLAG, 0, 0);
  for (int i = 0; i < rest->blockCount; i++) {
    const Block *block = &rest->blocks[i];
    addHeader(reader, BACKUP_SPARSE_BLOCK, SPARSE_FLAG, block->size + 8, 0);
    addSegment(reader, &block->offset, 0, 8);
    addSegment(reader, NULL, block->offset, block->size);
  }
  addHeader(reader, BACKUP_SPARSE_BLOCK, SPARSE_FLAG, 8, 0);
  addSegment(reader, &size, 0, 8);
}

Reader *beginBackup(HANDLE file, BOOL security) {
  Reader *reader = calloc(1, sizeof *reader);
  BasicInfo info, raw;
  LARGE_INTEGER size = {.QuadPart = 0};
  reader->file = file;
  seeInfo(file, &info);
  rawInfo(file, &raw);
  EnterCriticalSection(&guard);
  Rest *rest = restOf(file, 0);
  addParts(reader, rest, 0, security);
  if (!(info.attributes & (DIRECTORY | LINK))) {
    GetFileSizeEx(file, &size);
    if (rest && rest->blockCount > 0 && rest->written == raw.write.QuadPart) {
      addBlocks(reader, rest, size.QuadPart);
    } else {
      addHeader(reader, BACKUP_DATA, 0, size.QuadPart, 0);
      addSegment(reader, NULL, 0, size.QuadPart);
    }
  }
  addParts(reader, rest, 1, security);
  LeaveCriticalSection(&guard);
  return reader;
}

BOOL readBackup(Reader *reader, BYTE *buffer, DWORD size, DWORD *got) {
  for (*got = 0; *got < size && reader->at < reader->count;) {
    const Segment *segment = &reader->segments[reader->at];
    UINT64 left = segment->size - reader->done;
    DWORD part = left < size - *got ? (DWORD)left : size - *got;
    if (segment->bytes) {
      memcpy(buffer + *got, segment->bytes + reader->done, part);
    } else {
      LARGE_INTEGER from = {.QuadPart = segment->offset + reader->done};
      if (!SetFilePointerEx(reader->file, from, NULL, FILE_BEGIN)) return FALSE;
      if (!ReadFile(reader->file, buffer + *got, part, &part, NULL)) return FALSE;
      if (part == 0) return SetLastError(ERROR_HANDLE_EOF), FALSE;
    }
    *got += part;
    reader->done += part;
    if (reader->done < segment->size) continue;
    reader->at++;
    reader->done = 0;
  }
  return TRUE;
}

void endReader(Reader *reader) {
  for (int i = 0; i < reader->count; i++) free(reader->segments[i].bytes);
  free(reader->segments);
  free(reader);
}

struct Writer {
  BOOL security;
  int begun, behindData, sparse;
  BYTE header[20], offset[8];
  DWORD have, nameHave, offsetHave;
  /* The part that is being taken, and how much of it has come. */
  Part part;
  UINT64 done;
  int inPart;
  LARGE_INTEGER at;
};

Writer *beginRestore(BOOL security) {
  Writer *writer = calloc(1, sizeof *writer);
  writer->security = security;
  return writer;
}

void endRestore(Writer *writer) {
  if (writer->inPart) free(writer->part.name), free(writer->part.payload);
  free(writer);
}

static void keepBlock(HANDLE file, UINT64 offset, UINT64 size) {
  EnterCriticalSection(&guard);
  Rest *rest = restOf(file, 1);
  rest->blocks = realloc(rest->blocks, (rest->blockCount + 1) * sizeof(Block));
  rest->blocks[rest->blockCount++] = (Block){offset, size};
  LeaveCriticalSection(&guard);
}

/* All of a part has come. */
static void endPart(Writer *writer, HANDLE file) {
  Part *part = &writer->part;
  writer->inPart = 0;
  if (part->id == BACKUP_SPARSE_BLOCK && part->size == 8 && writer->sparse) {
    SetFilePointerEx(file, writer->at, NULL, FILE_BEGIN);
    SetEndOfFile(file);
  } else if (part->id == BACKUP_SPARSE_BLOCK && writer->sparse) {
    keepBlock(file, writer->at.QuadPart - (part->size - 8), part->size - 8);
  }
  int isData = part->id == BACKUP_DATA || part->id == BACKUP_SPARSE_BLOCK;
  if (isData || (part->id == BACKUP_SECURITY_DATA && !writer->security)) {
    free(part->name);
    free(part->payload);
    return;
  }
  Part *kept = malloc(sizeof *kept);
  *kept = *part;
  EnterCriticalSection(&guard);
  addPart(restOf(file, 1), kept);
  BasicInfo info;
  rawInfo(file, &info);
  if (part->id == BACKUP_REPARSE_DATA && (info.attributes & DIRECTORY)) directoryLinks++;
  LeaveCriticalSection(&guard);
}

static void beginPart(Writer *writer) {
  Part *part = &writer->part;
  *part = (Part){0};
  memcpy(&part->id, writer->header, 4);
  memcpy(&part->attributes, writer->header + 4, 4);
  memcpy(&part->size, writer->header + 8, 8);
  memcpy(&part->nameBytes, writer->header + 16, 4);
  if (part->id == BACKUP_DATA) {
    writer->behindData = 1;
    writer->sparse = part->size == 0 && (part->attributes & SPARSE_FLAG);
    writer->at.QuadPart = 0;
  }
  int isData = part->id == BACKUP_DATA || part->id == BACKUP_SPARSE_BLOCK;
  part->behindData = writer->behindData;
  part->name = calloc(1, part->nameBytes + 2);
  part->payload = isData ? NULL : malloc(part->size + 1);
  writer->have = writer->nameHave = writer->offsetHave = 0;
  writer->done = 0;
  writer->inPart = 1;
}

/* How many of the bytes belong to the present part's payload; they are put where they belong. */
static BOOL takePayload(Writer *writer, HANDLE file, const BYTE *bytes, DWORD size, DWORD *taken) {
  Part *part = &writer->part;
  UINT64 left = part->size - writer->done;
  *taken = left < size ? (DWORD)left : size;
  if (part->id == BACKUP_SPARSE_BLOCK && writer->offsetHave < 8) {
    if (*taken > 8 - writer->offsetHave) *taken = 8 - writer->offsetHave;
    memcpy(writer->offset + writer->offsetHave, bytes, *taken);
    writer->offsetHave += *taken;
    if (writer->offsetHave == 8) memcpy(&writer->at, writer->offset, 8);
  } else if (part->payload) {
    memcpy(part->payload + writer->done, bytes, *taken);
  } else {
    if (!SetFilePointerEx(file, writer->at, NULL, FILE_BEGIN)) return FALSE;
    if (!WriteFile(file, bytes, *taken, taken, NULL)) return FALSE;
    writer->at.QuadPart += *taken;
  }
  writer->done += *taken;
  return TRUE;
}

BOOL restore(Writer *writer, HANDLE file, const BYTE *bytes, DWORD size) {
  if (!writer->begun) {
    EnterCriticalSection(&guard);
    dropParts(restOf(file, 1));
    LeaveCriticalSection(&guard);
    writer->begun = 1;
  }
  for (DWORD at = 0, part; at < size || writer->inPart; at += part) {
    DWORD rest = size - at;
    part = 0;
    if (!writer->inPart) {
      part = 20 - writer->have < rest ? 20 - writer->have : rest;
      memcpy(writer->header + writer->have, bytes + at, part);
      writer->have += part;
      if (writer->have == 20) beginPart(writer);
    } else if (writer->nameHave < writer->part.nameBytes) {
      part = writer->part.nameBytes - writer->nameHave;
      if (part > rest) part = rest;
      memcpy((BYTE *)writer->part.name + writer->nameHave, bytes + at, part);
      writer->nameHave += part;
    } else if (writer->done < writer->part.size) {
      if (!takePayload(writer, file, bytes + at, rest, &part)) return FALSE;
    } else {
      endPart(writer, file);
      continue;
    }
    if (part == 0 && rest == 0) break;
  }
  return TRUE;
}
