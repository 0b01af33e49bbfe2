/* Paths, and whole trees. */
#include "fake.h"

wchar_t *text(const wchar_t *format, ...) {
  va_list args;
  va_start(args, format);
  int length = _vscwprintf(format, args);
  va_end(args);
  wchar_t *result = malloc((length + 1) * sizeof *result);
  va_start(args, format);
  vswprintf(result, length + 1, format, args);
  va_end(args);
  return result;
}

/* A path that may be long, and whose names are taken as they are. */
wchar_t *whole(const wchar_t *path) {
  wchar_t *result = text(L"%ls%ls", wcsncmp(path, L"\\\\?\\", 4) ? L"\\\\?\\" : L"", path);
  for (wchar_t *at = result; *at; at++)
    if (*at == L'/') *at = L'\\';
  return result;
}

int isThere(const wchar_t *path) {
  return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

/* A file or directory, itself. */
HANDLE openAt(const wchar_t *path, DWORD access, DWORD disposition) {
  DWORD flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
  HANDLE file = CreateFileW(path, access, 7, NULL, disposition, flags, NULL);
  if (disposition == CREATE_NEW && file != INVALID_HANDLE_VALUE) forget(file);
  return file;
}

BYTE *contentOf(const wchar_t *path, DWORD *size) {
  HANDLE file = openAt(path, GENERIC_READ, OPEN_EXISTING);
  if (file == INVALID_HANDLE_VALUE) return NULL;
  *size = GetFileSize(file, NULL);
  BYTE *bytes = malloc(*size + 2);
  ReadFile(file, bytes, *size, size, NULL);
  memset(bytes + *size, 0, 2);
  CloseHandle(file);
  return bytes;
}

BOOL writeAt(const wchar_t *path, const void *bytes, DWORD size) {
  DWORD written;
  HANDLE file = openAt(path, GENERIC_WRITE, CREATE_ALWAYS);
  if (file == INVALID_HANDLE_VALUE) return FALSE;
  BOOL ok = WriteFile(file, bytes, size, &written, NULL);
  CloseHandle(file);
  return ok;
}

/* With those that it is in. */
void makeDirectory(const wchar_t *path) {
  if (CreateDirectoryW(path, NULL)) {
    HANDLE made = openAt(path, 0, OPEN_EXISTING);
    forget(made);
    CloseHandle(made);
    return;
  }
  if (GetLastError() != ERROR_PATH_NOT_FOUND) return;
  wchar_t *parent = text(L"%ls", path);
  *wcsrchr(parent, L'\\') = 0;
  makeDirectory(parent);
  free(parent);
  CreateDirectoryW(path, NULL);
}

int isPlainDirectory(const BasicInfo *info) {
  return (info->attributes & (DIRECTORY | LINK)) == DIRECTORY;
}

typedef struct {
  wchar_t *name;
  DWORD attributes;
} Entry;
typedef void (*Visit)(void *data, const wchar_t *path, const Entry *entry);

/* The names are taken first: little of the stack is needed, which koffi gives, and a visit may delete. */
static size_t listOf(const wchar_t *directory, Entry **entries) {
  size_t count = 0;
  WIN32_FIND_DATAW *found = malloc(sizeof *found);
  wchar_t *pattern = text(L"%ls\\*", directory);
  HANDLE search = FindFirstFileW(pattern, found);
  for (BOOL more = search != INVALID_HANDLE_VALUE; more; more = FindNextFileW(search, found)) {
    if (!wcscmp(found->cFileName, L".") || !wcscmp(found->cFileName, L"..")) continue;
    *entries = realloc(*entries, (count + 1) * sizeof(Entry));
    (*entries)[count++] = (Entry){text(L"%ls", found->cFileName), found->dwFileAttributes};
  }
  if (search != INVALID_HANDLE_VALUE) FindClose(search);
  free(pattern);
  free(found);
  return count;
}

static void eachIn(const wchar_t *directory, Visit visit, void *data) {
  Entry *entries = NULL;
  size_t count = listOf(directory, &entries);
  for (size_t i = 0; i < count; i++) {
    wchar_t *path = text(L"%ls\\%ls", directory, entries[i].name);
    visit(data, path, &entries[i]);
    free(path);
    free(entries[i].name);
  }
  free(entries);
}

static void removeOne(void *data, const wchar_t *path, const Entry *entry) {
  removeTree(path);
}

/* Whatever it is; nothing if it is not there. */
void removeTree(const wchar_t *path) {
  DWORD attributes = GetFileAttributesW(path);
  if (attributes == INVALID_FILE_ATTRIBUTES) return;
  if (attributes & FILE_ATTRIBUTE_READONLY) SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL);
  HANDLE file = openAt(path, DELETE, OPEN_EXISTING);
  BY_HANDLE_FILE_INFORMATION info;
  if (GetFileInformationByHandle(file, &info) && info.nNumberOfLinks <= 1) forget(file);
  CloseHandle(file);
  if (!(attributes & DIRECTORY)) {
    DeleteFileW(path);
    return;
  }
  eachIn(path, removeOne, NULL);
  RemoveDirectoryW(path);
}

static void shareOne(void *data, const wchar_t *path, const Entry *entry) {
  wchar_t *to = text(L"%ls\\%ls", (wchar_t *)data, entry->name);
  if (entry->attributes & DIRECTORY) shareTree(path, to);
  else CreateHardLinkW(to, path, NULL);
  free(to);
}

void shareTree(const wchar_t *from, const wchar_t *to) {
  BasicInfo info;
  makeDirectory(to);
  eachIn(from, shareOne, (void *)to);
  HANDLE source = openAt(from, FILE_READ_ATTRIBUTES, OPEN_EXISTING);
  HANDLE copy = openAt(to, FILE_WRITE_ATTRIBUTES | FILE_READ_ATTRIBUTES, OPEN_EXISTING);
  copyRest(source, copy);
  seeInfo(source, &info);
  setInfo(copy, &info);
  CloseHandle(source);
  CloseHandle(copy);
}

static int compareNames(const void *a, const void *b) {
  return wcscmp(((const Found *)a)->name, ((const Found *)b)->name);
}

static void findOne(void *data, const wchar_t *path, const Entry *entry) {
  BY_HANDLE_FILE_INFORMATION about;
  Tree *tree = data;
  HANDLE file = openAt(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING);
  if (file == INVALID_HANDLE_VALUE) return;
  tree->items = realloc(tree->items, (tree->count + 1) * sizeof(Found));
  Found *item = &tree->items[tree->count++];
  item->name = text(L"%ls", entry->name);
  GetFileInformationByHandle(file, &about);
  rawInfo(file, &item->raw);
  seeInfo(file, &item->info);
  item->number = ((UINT64)about.nFileIndexHigh << 32) | about.nFileIndexLow;
  item->size = ((UINT64)about.nFileSizeHigh << 32) | about.nFileSizeLow;
  if (item->info.attributes & (DIRECTORY | LINK)) item->size = 0;
  CloseHandle(file);
}

static void addTree(Tree *all, const wchar_t *root, const wchar_t *top) {
  Tree here = {0};
  wchar_t *path = text(L"%ls\\%ls", root, top);
  eachIn(path, findOne, &here);
  free(path);
  sortByName(&here);
  for (size_t i = 0; i < here.count; i++) {
    Found item = here.items[i];
    wchar_t *name = text(L"%ls\\%ls", top, item.name);
    free(item.name);
    item.name = name;
    all->items = realloc(all->items, (all->count + 1) * sizeof(Found));
    all->items[all->count++] = item;
    if (isPlainDirectory(&item.info)) addTree(all, root, name);
  }
  free(here.items);
}

Tree readTree(const wchar_t *root, const wchar_t *top) {
  Tree all = {0};
  addTree(&all, root, top);
  return all;
}

void sortByName(Tree *tree) {
  if (tree->count > 1) qsort(tree->items, tree->count, sizeof(Found), compareNames);
}

Found *findIn(const Tree *sorted, const wchar_t *name) {
  Found key = {(wchar_t *)name};
  if (sorted->count == 0) return NULL;
  return bsearch(&key, sorted->items, sorted->count, sizeof key, compareNames);
}

void freeTree(Tree *tree) {
  for (size_t i = 0; i < tree->count; i++) free(tree->items[i].name);
  free(tree->items);
}
