/*
 * A vmcompute.dll of our own, for tests under wine: the layer functions of Windows' host compute
 * service over plain directories, and BackupRead and BackupWrite, which wine has not. Every call is
 * written to FAKE_HCS_LOG with its raw arguments; the call named in FAKE_HCS_FAIL fails with
 * FAKE_HCS_HRESULT (hexadecimal). Calls in the wrong order fail as Windows fails them.
 *
 * x86_64-w64-mingw32-gcc -O1 -Wall -Wno-attributes -shared -static -o fake-vmcompute.dll \
 *   fake-vmcompute.c -lole32
 */
#include <windows.h>
#include <objbase.h>
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

typedef struct {
  int flavour;
  const wchar_t *home;
} DriverInfo;
typedef struct {
  GUID id;
  ULONG flags;
  const wchar_t *path;
} Descriptor;
typedef struct {
  LARGE_INTEGER times[4];
  DWORD attributes;
} BasicInfo;

#define API __declspec(dllexport) HRESULT WINAPI
#define PATHS 1024
#define INVALID_STATE ((HRESULT)0xC0370105)
#define FAIL(code) HRESULT_FROM_WIN32(code)
_Static_assert(sizeof(DriverInfo) == 16 && sizeof(Descriptor) == 32 && sizeof(BasicInfo) == 40, "");

/* ---- the log, and failing on command ---- */

static HRESULT note(const char *name, const wchar_t *format, ...) {
  wchar_t path[PATHS], line[4096], fail[64], result[32];
  char bytes[8192];
  va_list args;
  va_start(args, format);
  vswprintf(line, 4096, format, args);
  va_end(args);
  if (GetEnvironmentVariableW(L"FAKE_HCS_LOG", path, PATHS)) {
    HANDLE log = CreateFileW(path, FILE_APPEND_DATA, 7, NULL, OPEN_ALWAYS, 0, NULL);
    DWORD written;
    int length = sprintf(bytes, "%s ", name);
    length += WideCharToMultiByte(CP_UTF8, 0, line, -1, bytes + length, 8000, NULL, NULL) - 1;
    bytes[length++] = '\n';
    WriteFile(log, bytes, length, &written, NULL);
    CloseHandle(log);
  }
  if (GetEnvironmentVariableW(L"FAKE_HCS_FAIL", fail, 64)) {
    char wanted[64];
    WideCharToMultiByte(CP_UTF8, 0, fail, -1, wanted, 64, NULL, NULL);
    if (strcmp(wanted, name) == 0 && GetEnvironmentVariableW(L"FAKE_HCS_HRESULT", result, 32))
      return (HRESULT)wcstoul(result, NULL, 16);
  }
  return S_OK;
}

/* Guid, flags and path of each descriptor. */
static const wchar_t *shown(const Descriptor *list, ULONG count) {
  static __thread wchar_t text[3000];
  int at = swprintf(text, 3000, L"%lu%ls", count, list ? L"" : L" NULL");
  for (ULONG i = 0; i < count; i++)
    at += swprintf(text + at, 3000 - at, L" %08lx:%lx:%ls", list[i].id.Data1, list[i].flags,
                   list[i].path);
  return text;
}

#define NOTE(name, ...)                    \
  do {                                     \
    HRESULT wanted = note(name, __VA_ARGS__); \
    if (wanted < 0) return wanted;         \
  } while (0)

/* ---- layers and their states ---- */

static void layerPath(const DriverInfo *info, const wchar_t *id, wchar_t *path) {
  if (info->home && info->home[0]) swprintf(path, PATHS, L"%ls\\%ls", info->home, id);
  else wcscpy(path, id);
}

static int isThere(const wchar_t *path) {
  return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

/* 0 at rest, 1 active, 2 prepared. */
static struct {
  wchar_t path[PATHS];
  int state;
} states[64];

static int *stateOf(const wchar_t *path) {
  for (int i = 0; i < 64; i++) {
    if (states[i].path[0] == 0) wcscpy(states[i].path, path);
    if (wcscmp(states[i].path, path) == 0) return &states[i].state;
  }
  return &states[63].state;
}

static HRESULT step(const DriverInfo *info, const wchar_t *id, int from, int to) {
  wchar_t path[PATHS];
  layerPath(info, id, path);
  if (!isThere(path)) return FAIL(ERROR_FILE_NOT_FOUND);
  int *state = stateOf(path);
  if (*state != from) return INVALID_STATE;
  *state = to;
  return S_OK;
}

API ActivateLayer(DriverInfo *info, const wchar_t *id) {
  NOTE("ActivateLayer", L"%d %ls %ls", info->flavour, info->home, id);
  return step(info, id, 0, 1);
}

API DeactivateLayer(DriverInfo *info, const wchar_t *id) {
  NOTE("DeactivateLayer", L"%ls", id);
  return step(info, id, 1, 0);
}

API PrepareLayer(DriverInfo *info, const wchar_t *id, Descriptor *list, ULONG count) {
  static LONG busy;
  NOTE("PrepareLayer", L"%ls %ls", id, shown(list, count));
  if (InterlockedIncrement(&busy) != 1) note("PrepareLayer", L"TWO AT ONCE");
  Sleep(5);
  InterlockedDecrement(&busy);
  return step(info, id, 1, 2);
}

API UnprepareLayer(DriverInfo *info, const wchar_t *id) {
  NOTE("UnprepareLayer", L"%ls", id);
  return step(info, id, 2, 1);
}

static HRESULT make(const DriverInfo *info, const wchar_t *id, wchar_t *path) {
  layerPath(info, id, path);
  return CreateDirectoryW(path, NULL) ? S_OK : FAIL(GetLastError());
}

API CreateLayer(DriverInfo *info, const wchar_t *id, const wchar_t *parent) {
  wchar_t path[PATHS];
  NOTE("CreateLayer", L"%d [%ls] %ls [%ls]", info->flavour, info->home, id, parent);
  return make(info, id, path);
}

API CreateSandboxLayer(DriverInfo *info, const wchar_t *id, const wchar_t *parent,
                       Descriptor *list, ULONG count) {
  wchar_t path[PATHS];
  NOTE("CreateSandboxLayer", L"%ls %ls %ls", id, parent ? parent : L"NULL", shown(list, count));
  HRESULT result = make(info, id, path);
  if (result < 0) return result;
  wcscat(path, L"\\sandbox.vhdx");
  CloseHandle(CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL));
  return S_OK;
}

API ExpandSandboxSize(DriverInfo *info, const wchar_t *id, UINT64 size) {
  NOTE("ExpandSandboxSize", L"%ls %llu", id, size);
  return S_OK;
}

API LayerExists(DriverInfo *info, const wchar_t *id, UINT32 *exists) {
  wchar_t path[PATHS];
  NOTE("LayerExists", L"%ls", id);
  layerPath(info, id, path);
  *exists = isThere(path);
  return S_OK;
}

API GetLayerMountPath(DriverInfo *info, const wchar_t *id, SIZE_T *length, wchar_t *buffer) {
  wchar_t path[PATHS];
  NOTE("GetLayerMountPath", L"%ls %ls", id, buffer ? L"buffer" : L"NULL");
  layerPath(info, id, path);
  if (wcsstr(path, L"without-path")) *length = 0;
  else if (!buffer) *length = wcslen(path) + 1;
  else if (*length < wcslen(path) + 1) return FAIL(ERROR_INSUFFICIENT_BUFFER);
  else wcscpy(buffer, path);
  return S_OK;
}

/* ---- whole trees ---- */

typedef int (*Visit)(const wchar_t *from, const wchar_t *to, int directory);

/* Calls `before` for what is in `from`, directories after that. */
static int walk(const wchar_t *from, const wchar_t *to, Visit before, Visit after) {
  wchar_t pattern[PATHS], a[PATHS], b[PATHS];
  WIN32_FIND_DATAW found;
  swprintf(pattern, PATHS, L"%ls\\*", from);
  HANDLE search = FindFirstFileW(pattern, &found);
  if (search == INVALID_HANDLE_VALUE) return 0;
  do {
    if (!wcscmp(found.cFileName, L".") || !wcscmp(found.cFileName, L"..")) continue;
    int directory = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    swprintf(a, PATHS, L"%ls\\%ls", from, found.cFileName);
    swprintf(b, PATHS, L"%ls\\%ls", to, found.cFileName);
    if (before) before(a, b, directory);
    if (directory) walk(a, b, before, after);
    if (after) after(a, b, directory);
  } while (FindNextFileW(search, &found));
  FindClose(search);
  return 0;
}

static int removeOne(const wchar_t *path, const wchar_t *to, int directory) {
  return directory ? RemoveDirectoryW(path) : DeleteFileW(path);
}

static int copyOne(const wchar_t *from, const wchar_t *to, int directory) {
  return directory ? CreateDirectoryW(to, NULL) : CopyFileW(from, to, FALSE);
}

API DestroyLayer(DriverInfo *info, const wchar_t *id) {
  wchar_t path[PATHS];
  NOTE("DestroyLayer", L"%ls", id);
  layerPath(info, id, path);
  if (*stateOf(path) != 0) return FAIL(ERROR_SHARING_VIOLATION);
  walk(path, path, NULL, removeOne);
  RemoveDirectoryW(path);
  return S_OK;
}

API CopyLayer(DriverInfo *info, const wchar_t *from, const wchar_t *to, Descriptor *list,
              ULONG count) {
  wchar_t a[PATHS], b[PATHS];
  NOTE("CopyLayer", L"%ls %ls %ls", from, to, shown(list, count));
  layerPath(info, from, a);
  HRESULT result = make(info, to, b);
  if (result >= 0) walk(a, b, copyOne, NULL);
  return result;
}

/* One file of a transport folder: attributes, then a backup stream, whose data is restored. */
static int restoreOne(const wchar_t *from, const wchar_t *to, int directory) {
  static const wchar_t suffix[] = L".$wcidirs$";
  size_t length = wcslen(from);
  if (directory) return CreateDirectoryW(to, NULL);
  if (length > 10 && wcscmp(from + length - 10, suffix) == 0) return 0;
  HANDLE source = CreateFileW(from, GENERIC_READ, 7, NULL, OPEN_EXISTING, 0, NULL);
  HANDLE target = CreateFileW(to, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
  unsigned char header[20], buffer[4096];
  DWORD got, written;
  ReadFile(source, header, 4, &got, NULL);
  while (ReadFile(source, header, 20, &got, NULL) && got == 20) {
    UINT64 left = *(UINT64 *)(header + 8);
    SetFilePointer(source, *(DWORD *)(header + 16), NULL, FILE_CURRENT);
    while (left > 0) {
      DWORD part = left < sizeof buffer ? (DWORD)left : sizeof buffer;
      if (!ReadFile(source, buffer, part, &got, NULL) || got == 0) break;
      if (*(DWORD *)header == 1) WriteFile(target, buffer, got, &written, NULL);
      left -= got;
    }
  }
  CloseHandle(source);
  CloseHandle(target);
  return 0;
}

API ImportLayer(DriverInfo *info, const wchar_t *id, const wchar_t *folder, Descriptor *list,
                ULONG count) {
  wchar_t path[PATHS], below[PATHS], from[PATHS];
  NOTE("ImportLayer", L"%ls %ls", id, shown(list, count));
  layerPath(info, id, path);
  wcscat(path, L"\\Files");
  CreateDirectoryW(path, NULL);
  if (count > 0) {
    swprintf(below, PATHS, L"%ls\\Files", list[0].path);
    walk(below, path, copyOne, NULL);
  }
  swprintf(from, PATHS, L"%ls\\Files", folder);
  walk(from, path, restoreOne, NULL);
  return S_OK;
}

/* Into a transport folder; only what the layer beneath has not. */
static __thread const wchar_t *exportedFrom, *exportedBelow;
static int exportOne(const wchar_t *from, const wchar_t *to, int directory) {
  wchar_t below[PATHS], name[PATHS];
  DWORD written;
  if (directory) return CreateDirectoryW(to, NULL);
  swprintf(below, PATHS, L"%ls%ls", exportedBelow, from + wcslen(exportedFrom));
  if (exportedBelow[0] && isThere(below)) return 0;
  wcscpy(name, to);
  HANDLE source = CreateFileW(from, GENERIC_READ, 7, NULL, OPEN_EXISTING, 0, NULL);
  HANDLE target = CreateFileW(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
  unsigned char header[24] = {0x20, 0, 0, 0, 1};
  *(UINT64 *)(header + 12) = GetFileSize(source, NULL);
  WriteFile(target, header, 24, &written, NULL);
  unsigned char buffer[4096];
  DWORD got;
  while (ReadFile(source, buffer, sizeof buffer, &got, NULL) && got > 0)
    WriteFile(target, buffer, got, &written, NULL);
  CloseHandle(source);
  CloseHandle(target);
  return 0;
}

API ExportLayer(DriverInfo *info, const wchar_t *id, const wchar_t *folder, Descriptor *list,
                ULONG count) {
  wchar_t path[PATHS], below[PATHS] = L"", to[PATHS];
  NOTE("ExportLayer", L"%ls %ls", id, shown(list, count));
  layerPath(info, id, path);
  if (*stateOf(path) == 2) return INVALID_STATE;
  wcscat(path, L"\\Files");
  if (count > 0) swprintf(below, PATHS, L"%ls\\Files", list[0].path);
  swprintf(to, PATHS, L"%ls\\Files", folder);
  CreateDirectoryW(to, NULL);
  exportedFrom = path;
  exportedBelow = below;
  walk(path, to, exportOne, NULL);
  return S_OK;
}

/* ---- file after file ---- */

typedef struct {
  int next, read;
} Context;

static HRESULT begin(const char *name, const wchar_t *id, Descriptor *list, ULONG count,
                     void **context) {
  NOTE(name, L"%ls %ls", id, shown(list, count));
  *context = CoTaskMemAlloc(sizeof(Context));
  memset(*context, 0, sizeof(Context));
  return S_OK;
}

API ImportLayerBegin(DriverInfo *info, const wchar_t *id, Descriptor *list, ULONG count,
                     void **context) {
  return begin("ImportLayerBegin", id, list, count, context);
}

API ImportLayerNext(Context *context, const wchar_t *name, BasicInfo *info) {
  if (!info) NOTE("ImportLayerNext", L"%ls tombstone", name);
  else
    NOTE("ImportLayerNext", L"%ls %lld %lld %lld %lld %lx", name, info->times[0].QuadPart,
         info->times[1].QuadPart, info->times[2].QuadPart, info->times[3].QuadPart,
         info->attributes);
  return S_OK;
}

API ImportLayerWrite(Context *context, const unsigned char *buffer, UINT32 length) {
  NOTE("ImportLayerWrite", L"%u %02x%02x", length, buffer[0], buffer[length - 1]);
  return S_OK;
}

API ImportLayerEnd(Context *context) {
  NOTE("ImportLayerEnd", L"");
  CoTaskMemFree(context);
  return S_OK;
}

API ExportLayerBegin(DriverInfo *info, const wchar_t *id, Descriptor *list, ULONG count,
                     void **context) {
  return begin("ExportLayerBegin", id, list, count, context);
}

static wchar_t *copyOf(const wchar_t *text) {
  wchar_t *copy = CoTaskMemAlloc((wcslen(text) + 1) * sizeof *text);
  return wcscpy(copy, text);
}

/* A file of five bytes and a tombstone. */
API ExportLayerNext(Context *context, wchar_t **name, BasicInfo *info, INT64 *size,
                    UINT32 *deleted) {
  NOTE("ExportLayerNext", L"%d", context->next);
  context->read = 0;
  if (context->next == 2) return FAIL(ERROR_NO_MORE_FILES);
  *name = copyOf(context->next == 0 ? L"\\Files\\\x00fc.txt" : L"\\Files\\gone");
  *deleted = context->next;
  *size = context->next == 0 ? 5000000000LL : 0;
  for (int i = 0; i < 4; i++) info->times[i].QuadPart = 131659872000000000LL + i;
  info->attributes = 0x20;
  context->next++;
  return S_OK;
}

API ExportLayerRead(Context *context, unsigned char *buffer, UINT32 length, UINT32 *got) {
  NOTE("ExportLayerRead", L"%u", length);
  *got = context->read ? 0 : 5;
  if (*got) memcpy(buffer, "hello", 5);
  context->read = 1;
  return S_OK;
}

API ExportLayerEnd(Context *context) {
  NOTE("ExportLayerEnd", L"");
  CoTaskMemFree(context);
  return S_OK;
}

/* ---- the rest ---- */

API GetBaseImages(wchar_t **json) {
  NOTE("GetBaseImages", L"");
  *json = copyOf(L"{\"Images\":[{\"Name\":\"nanoserver\",\"Path\":\"C:\\\\x\\\\nano\"}]}");
  return S_OK;
}

API NameToGuid(const wchar_t *name, GUID *guid) {
  NOTE("NameToGuid", L"%ls", name);
  memset(guid, 0, sizeof *guid);
  for (int i = 0; name[i]; i++) guid->Data1 = guid->Data1 * 31 + name[i];
  return S_OK;
}

API ProcessBaseImage(const wchar_t *path) {
  NOTE("ProcessBaseImage", L"%ls", path);
  return S_OK;
}

API ProcessUtilityImage(const wchar_t *path) {
  NOTE("ProcessUtilityImage", L"%ls", path);
  return S_OK;
}

API GrantVmAccess(const wchar_t *vm, const wchar_t *file) {
  NOTE("GrantVmAccess", L"%ls %ls", vm, file);
  return S_OK;
}

API HNSCall(const wchar_t *method, const wchar_t *path, const wchar_t *request, wchar_t **answer) {
  return E_NOTIMPL;
}

/* ---- what wine has not: a file's data as its only part ---- */

typedef struct {
  UINT64 left;
  DWORD have, skip, id;
  unsigned char header[20];
  int started;
} BackupState;

static LONG backups;

static BackupState *backupState(void **context) {
  if (!*context) {
    *context = calloc(1, sizeof(BackupState));
    InterlockedIncrement(&backups);
  }
  return *context;
}

static BOOL backupEnd(void **context) {
  if (*context) InterlockedDecrement(&backups);
  free(*context);
  *context = NULL;
  return TRUE;
}

__declspec(dllexport) LONG WINAPI OpenBackups(void) { return backups; }

__declspec(dllexport) BOOL WINAPI BackupRead(HANDLE file, BYTE *buffer, DWORD size, DWORD *got,
                                             BOOL abort, BOOL security, void **context) {
  BY_HANDLE_FILE_INFORMATION info;
  *got = 0;
  if (abort) return backupEnd(context);
  if (note("BackupRead", L"%d", security) < 0) return SetLastError(ERROR_READ_FAULT), FALSE;
  BackupState *state = backupState(context);
  GetFileInformationByHandle(file, &info);
  if (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) return TRUE;
  if (!state->started) {
    state->started = 1;
    memset(buffer, 0, 20);
    *(DWORD *)buffer = 1;
    *(UINT64 *)(buffer + 8) = ((UINT64)info.nFileSizeHigh << 32) | info.nFileSizeLow;
    *got = 20;
    return TRUE;
  }
  return ReadFile(file, buffer, size, got, NULL);
}

__declspec(dllexport) BOOL WINAPI BackupWrite(HANDLE file, BYTE *buffer, DWORD size,
                                              DWORD *written, BOOL abort, BOOL security,
                                              void **context) {
  *written = 0;
  if (abort) return backupEnd(context);
  if (note("BackupWrite", L"%lu %d", size, security) < 0)
    return SetLastError(ERROR_WRITE_FAULT), FALSE;
  BackupState *state = backupState(context);
  while (*written < size) {
    DWORD rest = size - *written, part;
    if (state->skip > 0) {
      part = rest < state->skip ? rest : state->skip;
      state->skip -= part;
    } else if (state->left > 0) {
      DWORD done;
      part = rest < state->left ? rest : (DWORD)state->left;
      if (state->id == 1 && !WriteFile(file, buffer + *written, part, &done, NULL)) return FALSE;
      state->left -= part;
    } else {
      part = 20 - state->have < rest ? 20 - state->have : rest;
      memcpy(state->header + state->have, buffer + *written, part);
      state->have += part;
      if (state->have == 20) {
        state->have = 0;
        state->id = *(DWORD *)state->header;
        state->left = *(UINT64 *)(state->header + 8);
        state->skip = *(DWORD *)(state->header + 16);
      }
    }
    *written += part;
  }
  return TRUE;
}
