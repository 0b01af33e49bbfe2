/*
 * ImportLayer and ExportLayer: a folder of backup streams, each with four bytes of attributes in
 * front; that of a directory beside it; hives as they are; a list of deletions.
 */
#include "fake.h"

#define SUFFIX L".$wcidirs$"
#define FIRST_LINE "\xef\xbb\xbfVersion 1.0\n"

static int isIn(const wchar_t *name, const wchar_t *top) {
  return !wcsncmp(name, top, wcslen(top)) && name[wcslen(top)] == L'\\';
}

/* What a directory is to take the place of goes. */
static void becomeDirectory(const wchar_t *path) {
  BasicInfo info = {{{0}}};
  HANDLE file = openAt(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING);
  if (file != INVALID_HANDLE_VALUE) {
    seeInfo(file, &info);
    CloseHandle(file);
    if (isPlainDirectory(&info)) return;
    removeTree(path);
  }
  makeDirectory(path);
}

static HRESULT takeFile(const wchar_t *from, wchar_t *to) {
  BYTE buffer[16384];
  DWORD attributes, got;
  BasicInfo info;
  HANDLE source = openAt(from, GENERIC_READ, OPEN_EXISTING);
  if (!ReadFile(source, &attributes, 4, &got, NULL) || got < 4)
    return CloseHandle(source), FAIL(ERROR_INVALID_PARAMETER);
  size_t length = wcslen(to), suffix = wcslen(SUFFIX);
  if (length > suffix && !wcscmp(to + length - suffix, SUFFIX)) to[length - suffix] = 0;
  seeInfo(source, &info);
  info.attributes = attributes;
  if (attributes & DIRECTORY) becomeDirectory(to);
  else removeTree(to);
  HANDLE target = openAt(to, GENERIC_READ | GENERIC_WRITE, attributes & DIRECTORY ? OPEN_EXISTING : CREATE_NEW);
  Writer *writer = beginRestore(TRUE);
  BOOL ok = target != INVALID_HANDLE_VALUE;
  while (ok && (ok = ReadFile(source, buffer, sizeof buffer, &got, NULL)) && got > 0)
    ok = restore(writer, target, buffer, got);
  HRESULT result = ok && setInfo(target, &info) ? S_OK : FAIL(GetLastError());
  endRestore(writer);
  CloseHandle(source);
  CloseHandle(target);
  return result;
}

static HRESULT takeOne(const Found *item, const wchar_t *folder, const wchar_t *layer) {
  HRESULT result = S_OK;
  wchar_t *from = text(L"%ls\\%ls", folder, item->name);
  wchar_t *to = text(L"%ls\\%ls", layer, item->name);
  if (isPlainDirectory(&item->info)) {
    becomeDirectory(to);
  } else if (isIn(item->name, L"Files")) {
    result = takeFile(from, to);
  } else if (!wcsstr(item->name, SUFFIX)) {
    removeTree(to);
    result = CreateHardLinkW(to, from, NULL) ? S_OK : FAIL(GetLastError());
  }
  free(from);
  free(to);
  return result;
}

static void deleteListed(const wchar_t *folder, const wchar_t *layer) {
  DWORD size;
  wchar_t *path = text(L"%ls\\tombstones.txt", folder);
  BYTE *bytes = contentOf(path, &size);
  free(path);
  size_t first = strlen(FIRST_LINE);
  if (bytes && size >= first && !memcmp(bytes, FIRST_LINE, first)) {
    for (char *line = strtok((char *)bytes + first, "\r\n"); line; line = strtok(NULL, "\r\n")) {
      wchar_t name[4096];
      MultiByteToWideChar(CP_UTF8, 0, line, -1, name, 4096);
      wchar_t *gone = text(L"%ls\\Files\\%ls", layer, name + (name[0] == L'\\'));
      removeTree(gone);
      free(gone);
    }
  }
  free(bytes);
}

API ImportLayer(DriverInfo *info, const wchar_t *id, const wchar_t *folder, Descriptor *list,
                ULONG count) {
  static const wchar_t *tops[] = {L"Files", L"Hives"};
  wchar_t *layer, *source = NULL;
  NOTE("ImportLayer", L"%ls %ls", id, shown(list, count));
  TRY(beginLayer(info, id, list, count, &layer));
  HRESULT result = S_OK;
  source = whole(folder);
  deleteListed(source, layer);
  for (int i = 0; i < 2; i++) {
    Tree tree = readTree(source, tops[i]);
    for (size_t j = 0; j < tree.count && result >= 0; j++)
      result = takeOne(&tree.items[j], source, layer);
    freeTree(&tree);
  }
  free(source);
  free(layer);
  return result;
}

static BOOL writeStream(const Difference *item, const wchar_t *path, int inHives) {
  BYTE buffer[16384];
  DWORD got, written;
  HANDLE source = openAt(item->path, GENERIC_READ, OPEN_EXISTING);
  HANDLE target = openAt(path, GENERIC_READ | GENERIC_WRITE, CREATE_NEW);
  Reader *reader = beginBackup(source, TRUE);
  Writer *writer = inHives ? beginRestore(TRUE) : NULL;
  BOOL ok = source != INVALID_HANDLE_VALUE && target != INVALID_HANDLE_VALUE;
  if (ok && !inHives) ok = WriteFile(target, &item->info.attributes, 4, &written, NULL);
  while (ok && (ok = readBackup(reader, buffer, sizeof buffer, &got)) && got > 0)
    ok = writer ? restore(writer, target, buffer, got)
                : WriteFile(target, buffer, got, &written, NULL);
  BasicInfo info = item->info;
  info.attributes &= ~(DIRECTORY | LINK | FILE_ATTRIBUTE_READONLY);
  if (ok) ok = setInfo(target, &info);
  if (writer) endRestore(writer);
  endReader(reader);
  CloseHandle(source);
  CloseHandle(target);
  return ok;
}

static HRESULT give(const Difference *item, const wchar_t *folder) {
  int isDirectory = isPlainDirectory(&item->info);
  wchar_t *path = text(L"%ls\\%ls", folder, item->name);
  wchar_t *parent = text(L"%.*ls", (int)(wcsrchr(path, L'\\') - path), path);
  wchar_t *holder = text(L"%ls%ls", path, isDirectory ? SUFFIX : L"");
  makeDirectory(isDirectory ? path : parent);
  HRESULT result = S_OK;
  if (!writeStream(item, holder, isIn(item->name, L"Hives"))) result = FAIL(GetLastError());
  free(path);
  free(parent);
  free(holder);
  return result;
}

API ExportLayer(DriverInfo *info, const wchar_t *id, const wchar_t *folder, Descriptor *list,
                ULONG count) {
  Differences found;
  NOTE("ExportLayer", L"%ls %ls", id, shown(list, count));
  TRY(findDifferences(info, id, list, count, &found));
  HRESULT result = S_OK;
  wchar_t *target = whole(folder);
  size_t room = 64, size;
  for (size_t i = 0; i < found.count; i++) room += wcslen(found.items[i].name) * 3 + 1;
  char *list8 = malloc(room);
  size = sprintf(list8, "%s", FIRST_LINE);
  makeDirectory(target);
  for (size_t i = 0; i < found.count && result >= 0; i++) {
    const Difference *item = &found.items[i];
    if (item->path) {
      result = give(item, target);
      continue;
    }
    const wchar_t *name = item->name + wcslen(L"Files");
    size += WideCharToMultiByte(CP_UTF8, 0, name, -1, list8 + size, room - size, 0, 0) - 1;
    list8[size++] = '\n';
  }
  wchar_t *path = text(L"%ls\\tombstones.txt", target);
  if (!writeAt(path, list8, size)) result = FAIL(GetLastError());
  free(path);
  free(list8);
  free(target);
  freeDifferences(&found);
  return result;
}
