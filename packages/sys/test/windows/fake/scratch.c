/* Writable layers: a disk, of which there is only the size, and a volume, which is a directory. */
#include "fake.h"

static wchar_t *inLayer(const wchar_t *layer, const wchar_t *name) {
  return text(L"%ls\\%ls", layer, name);
}

int isScratch(const wchar_t *layer) {
  wchar_t *disk = inLayer(layer, L"sandbox.vhdx");
  int there = isThere(disk);
  free(disk);
  return there;
}

/* Of a disk its size, and which one it is: another may be put in its place. */
typedef struct {
  UINT64 size, identity;
} Disk;

static BOOL writeDisk(const wchar_t *layer, Disk written) {
  wchar_t *disk = inLayer(layer, L"sandbox.vhdx");
  BOOL ok = writeAt(disk, &written, sizeof written);
  free(disk);
  return ok;
}

BOOL makeDisk(const wchar_t *layer, UINT64 size) {
  LARGE_INTEGER now;
  QueryPerformanceCounter(&now);
  return writeDisk(layer, (Disk){size, now.QuadPart});
}

static Disk readDisk(const wchar_t *layer) {
  DWORD size;
  Disk result = {0};
  wchar_t *disk = inLayer(layer, L"sandbox.vhdx");
  BYTE *bytes = contentOf(disk, &size);
  if (bytes && size == sizeof result) memcpy(&result, bytes, sizeof result);
  free(bytes);
  free(disk);
  return result;
}

API ExpandSandboxSize(DriverInfo *info, const wchar_t *id, UINT64 size) {
  wchar_t *path;
  NOTE("ExpandSandboxSize", L"%ls %llu", id, size);
  TRY(findLayer(info, id, &path));
  HRESULT result = FAIL(ERROR_INVALID_PARAMETER);
  Disk disk = readDisk(path);
  if (size >= disk.size && writeDisk(path, (Disk){size, disk.identity})) result = S_OK;
  free(path);
  return result;
}

wchar_t *volumeOf(const wchar_t *layer) { return inLayer(layer, L"volume"); }

/* A layer without a path is asked for by its name. */
API GetLayerMountPath(DriverInfo *info, const wchar_t *id, SIZE_T *length, wchar_t *buffer) {
  wchar_t *path;
  NOTE("GetLayerMountPath", L"%ls %ls", id, buffer ? L"buffer" : L"NULL");
  TRY(findLayer(info, id, &path));
  wchar_t *shown = isScratch(path) ? volumeOf(path) : inLayer(path, L"");
  if (shown[wcslen(shown) - 1] == L'\\') shown[wcslen(shown) - 1] = 0;
  SIZE_T wanted = wcsstr(path, L"without-path") ? 0 : wcslen(shown + 4) + 1;
  HRESULT result = S_OK;
  if (!buffer || wanted == 0) *length = wanted;
  else if (*length < wanted) result = FAIL(ERROR_INSUFFICIENT_BUFFER);
  else wcscpy(buffer, shown + 4);
  free(shown);
  free(path);
  return result;
}

/* How a volume looked when it was laid out: its disk's identity, then for each file this and its name. */
typedef struct {
  BasicInfo raw;
  UINT64 number, size, length;
} Look;

static BOOL writeBaseline(const wchar_t *layer) {
  Tree tree = readTree(layer, L"volume");
  size_t size = sizeof(UINT64);
  BYTE *bytes = malloc(size);
  *(UINT64 *)bytes = readDisk(layer).identity;
  for (size_t i = 0; i < tree.count; i++) {
    const Found *item = &tree.items[i];
    Look look = {item->raw, item->number, item->size, wcslen(item->name)};
    bytes = realloc(bytes, size + sizeof look + look.length * 2);
    memcpy(bytes + size, &look, sizeof look);
    memcpy(bytes + size + sizeof look, item->name, look.length * 2);
    size += sizeof look + look.length * 2;
  }
  wchar_t *path = inLayer(layer, L"baseline");
  BOOL ok = writeAt(path, bytes, (DWORD)size);
  free(path);
  free(bytes);
  freeTree(&tree);
  return ok;
}

/* Whether the volume was laid out, and is that of the disk; then `tree` is how it looked. */
int volumeBefore(const wchar_t *layer, Tree *before) {
  Tree tree = {0};
  DWORD size = 0;
  wchar_t *path = inLayer(layer, L"baseline");
  BYTE *bytes = contentOf(path, &size);
  int there = bytes && *(UINT64 *)bytes == readDisk(layer).identity;
  for (size_t at = sizeof(UINT64); there && at < size; tree.count++) {
    Look look;
    memcpy(&look, bytes + at, sizeof look);
    tree.items = realloc(tree.items, (tree.count + 1) * sizeof(Found));
    tree.items[tree.count] = (Found){calloc(look.length + 1, 2), look.raw, look.raw, look.number,
                                     look.size};
    memcpy(tree.items[tree.count].name, bytes + at + sizeof look, look.length * 2);
    at += sizeof look + look.length * 2;
  }
  free(bytes);
  free(path);
  *before = tree;
  return there;
}

static void layOutOne(const Found *item, const wchar_t *from, const wchar_t *to) {
  DWORD access = GENERIC_READ | FILE_WRITE_ATTRIBUTES;
  if (isPlainDirectory(&item->info) || (item->info.attributes & DIRECTORY)) makeDirectory(to);
  else CopyFileW(from, to, TRUE);
  HANDLE source = openAt(from, GENERIC_READ, OPEN_EXISTING);
  HANDLE copy = openAt(to, access, OPEN_EXISTING);
  forget(copy);
  copyRest(source, copy);
  setInfo(copy, &item->info);
  CloseHandle(source);
  CloseHandle(copy);
}

/* Makes the volume at the first time, of the files of the layer beneath. */
HRESULT prepareVolume(const wchar_t *layer, const wchar_t *below) {
  Tree before;
  int there = volumeBefore(layer, &before);
  freeTree(&before);
  if (there) return S_OK;
  wchar_t *volume = volumeOf(layer);
  wchar_t *source = whole(below);
  removeTree(volume);
  makeDirectory(volume);
  Tree tree = readTree(source, L"Files");
  /* Files first, as they change the times of their directories. */
  for (int directories = 0; directories < 2; directories++) {
    for (size_t i = tree.count; i-- > 0;) {
      const Found *item = &tree.items[i];
      if (isPlainDirectory(&item->info) != directories) continue;
      wchar_t *from = inLayer(source, item->name);
      wchar_t *to = inLayer(volume, item->name + wcslen(L"Files\\"));
      if (!directories) {
        wchar_t *parent = text(L"%.*ls", (int)(wcsrchr(to, L'\\') - to), to);
        makeDirectory(parent);
        free(parent);
      }
      layOutOne(item, from, to);
      free(from);
      free(to);
    }
  }
  freeTree(&tree);
  BOOL ok = writeBaseline(layer);
  free(volume);
  free(source);
  return ok ? S_OK : E_FAIL;
}
