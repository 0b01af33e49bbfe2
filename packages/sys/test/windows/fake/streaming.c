/* ImportLayerBegin and ExportLayerBegin, and what belongs to them: a layer file by file. */
#include "fake.h"

typedef struct {
  wchar_t *layer;
  HANDLE file;
  Writer *writer;
  BasicInfo info;
} Import;

API ImportLayerBegin(DriverInfo *info, const wchar_t *id, Descriptor *list, ULONG count,
                     void **context) {
  wchar_t *layer;
  NOTE("ImportLayerBegin", L"%ls %ls", id, shown(list, count));
  TRY(beginLayer(info, id, list, count, &layer));
  Import *begun = calloc(1, sizeof *begun);
  begun->layer = layer;
  begun->file = INVALID_HANDLE_VALUE;
  *context = begun;
  return S_OK;
}

static void endFile(Import *import) {
  if (import->file == INVALID_HANDLE_VALUE) return;
  endRestore(import->writer);
  setInfo(import->file, &import->info);
  CloseHandle(import->file);
  import->file = INVALID_HANDLE_VALUE;
}

/* Without `info` it is a tombstone. */
API ImportLayerNext(Import *import, const wchar_t *name, BasicInfo *info) {
  if (!info) NOTE("ImportLayerNext", L"%ls tombstone", name);
  else
    NOTE("ImportLayerNext", L"%ls %lld %lld %lld %lld %lx", name, info->creation.QuadPart,
         info->access.QuadPart, info->write.QuadPart, info->change.QuadPart, info->attributes);
  endFile(import);
  if (name[0] != L'\\') return FAIL(ERROR_INVALID_PARAMETER);
  wchar_t *path = text(L"%ls%ls", import->layer, name);
  DWORD there = GetFileAttributesW(path);
  int directory = info && (info->attributes & DIRECTORY);
  int stays = directory && there != INVALID_FILE_ATTRIBUTES && (there & DIRECTORY);
  if (!stays) removeTree(path);
  if (directory && !stays) makeDirectory(path);
  HRESULT result = S_OK;
  if (info) {
    import->info = *info;
    import->file =
        openAt(path, GENERIC_READ | GENERIC_WRITE, directory ? OPEN_EXISTING : CREATE_NEW);
    if (import->file == INVALID_HANDLE_VALUE) result = FAIL(GetLastError());
    else import->writer = beginRestore(TRUE);
  }
  free(path);
  return result;
}

API ImportLayerWrite(Import *import, const BYTE *buffer, UINT32 length) {
  NOTE("ImportLayerWrite", L"%u %02x%02x", length, buffer[0], buffer[length - 1]);
  if (import->file == INVALID_HANDLE_VALUE) return INVALID_STATE;
  return restore(import->writer, import->file, buffer, length) ? S_OK : FAIL(GetLastError());
}

API ImportLayerEnd(Import *import) {
  NOTE("ImportLayerEnd", L"");
  endFile(import);
  free(import->layer);
  free(import);
  return S_OK;
}

typedef struct {
  Differences found;
  size_t next;
  HANDLE file;
  Reader *reader;
} Export;

API ExportLayerBegin(DriverInfo *info, const wchar_t *id, Descriptor *list, ULONG count,
                     void **context) {
  Differences found;
  NOTE("ExportLayerBegin", L"%ls %ls", id, shown(list, count));
  TRY(findDifferences(info, id, list, count, &found));
  Export *begun = calloc(1, sizeof *begun);
  begun->found = found;
  *context = begun;
  return S_OK;
}

static void closeExported(Export *export) {
  if (!export->reader) return;
  endReader(export->reader);
  CloseHandle(export->file);
  export->reader = NULL;
}

API ExportLayerNext(Export *export, wchar_t **name, BasicInfo *info, INT64 *size,
                    UINT32 *deleted) {
  NOTE("ExportLayerNext", L"%u", (unsigned)export->next);
  closeExported(export);
  if (export->next == export->found.count) return FAIL(ERROR_NO_MORE_FILES);
  const Difference *item = &export->found.items[export->next++];
  *name = CoTaskMemAlloc((wcslen(item->name) + 2) * sizeof(wchar_t));
  swprintf(*name, wcslen(item->name) + 2, L"\\%ls", item->name);
  *deleted = item->path == NULL;
  *size = item->size;
  *info = item->info;
  if (!item->path) return S_OK;
  export->file = openAt(item->path, GENERIC_READ, OPEN_EXISTING);
  export->reader = beginBackup(export->file, TRUE);
  return S_OK;
}

API ExportLayerRead(Export *export, BYTE *buffer, UINT32 length, UINT32 *got) {
  DWORD bytes = 0;
  NOTE("ExportLayerRead", L"%u", length);
  *got = 0;
  if (!export->reader) return S_OK;
  if (!readBackup(export->reader, buffer, length, &bytes)) return FAIL(GetLastError());
  *got = bytes;
  return S_OK;
}

API ExportLayerEnd(Export *export) {
  NOTE("ExportLayerEnd", L"");
  closeExported(export);
  freeDifferences(&export->found);
  free(export);
  return S_OK;
}
