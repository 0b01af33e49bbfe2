/* BackupRead and BackupWrite as Windows exports them. */
#include "fake.h"

typedef struct {
  Reader *reader;
  Writer *writer;
} Context;

static LONG open;

/* How many have not been told to give up what they keep. */
EXPORT LONG WINAPI OpenBackups(void) { return open; }

static Context *contextOf(void **context) {
  if (!*context) {
    *context = calloc(1, sizeof(Context));
    InterlockedIncrement(&open);
  }
  return *context;
}

static BOOL end(void **context) {
  Context *ending = *context;
  if (!ending) return TRUE;
  if (ending->reader) endReader(ending->reader);
  if (ending->writer) endRestore(ending->writer);
  free(ending);
  InterlockedDecrement(&open);
  *context = NULL;
  return TRUE;
}

EXPORT BOOL WINAPI BackupRead(HANDLE file, BYTE *buffer, DWORD size, DWORD *got, BOOL abort,
                              BOOL security, void **context) {
  *got = 0;
  if (abort) return end(context);
  if (note("BackupRead", L"%d", security) < 0) return SetLastError(ERROR_READ_FAULT), FALSE;
  Context *own = contextOf(context);
  if (!own->reader) own->reader = beginBackup(file, security);
  return readBackup(own->reader, buffer, size, got);
}

EXPORT BOOL WINAPI BackupWrite(HANDLE file, BYTE *buffer, DWORD size, DWORD *written, BOOL abort,
                               BOOL security, void **context) {
  *written = 0;
  if (abort) return end(context);
  if (note("BackupWrite", L"%lu %d", size, security) < 0)
    return SetLastError(ERROR_WRITE_FAULT), FALSE;
  Context *own = contextOf(context);
  if (!own->writer) own->writer = beginRestore(security);
  if (!restore(own->writer, file, buffer, size)) return FALSE;
  *written = size;
  return TRUE;
}
