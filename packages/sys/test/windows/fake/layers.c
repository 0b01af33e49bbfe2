/* Layers: folders that are made on others, and shown to programs step by step. */
#include "fake.h"

/* In a layer that has only what the one beneath it has. */
#define FRESH L"fresh"

static wchar_t *layerPath(const DriverInfo *info, const wchar_t *id) {
  if (!info->home || !info->home[0] || wcspbrk(id, L"\\/")) return whole(id);
  wchar_t *path = text(L"%ls\\%ls", info->home, id);
  wchar_t *result = whole(path);
  free(path);
  return result;
}

HRESULT findLayer(const DriverInfo *info, const wchar_t *id, wchar_t **path) {
  *path = layerPath(info, id);
  if (isThere(*path)) return S_OK;
  free(*path);
  return FAIL(ERROR_FILE_NOT_FOUND);
}

static HRESULT makeLayer(const DriverInfo *info, const wchar_t *id, wchar_t **path) {
  *path = layerPath(info, id);
  if (CreateDirectoryW(*path, NULL)) return S_OK;
  HRESULT result = FAIL(GetLastError());
  free(*path);
  return result;
}

/* Each descriptor names the folder whose path it has. */
HRESULT checkChain(const Descriptor *list, ULONG count) {
  if ((count == 0) != (list == NULL)) return FAIL(ERROR_INVALID_PARAMETER);
  for (ULONG i = 0; i < count; i++) {
    GUID guid;
    const wchar_t *name = wcsrchr(list[i].path, L'\\');
    guidOf(name ? name + 1 : list[i].path, &guid);
    if (memcmp(&guid, &list[i].id, sizeof guid)) return FAIL(ERROR_INVALID_PARAMETER);
    if (!isThere(list[i].path)) return FAIL(ERROR_FILE_NOT_FOUND);
  }
  return S_OK;
}

/* ---- states; layers at rest are not listed ---- */

typedef struct State {
  wchar_t *path;
  int state;
  struct State *next;
} State;

static State *states;

static State **stateAt(const wchar_t *path) {
  State **at = &states;
  while (*at && _wcsicmp((*at)->path, path)) at = &(*at)->next;
  return at;
}

int stateOf(const wchar_t *path) {
  EnterCriticalSection(&guard);
  State *found = *stateAt(path);
  int state = found ? found->state : REST;
  LeaveCriticalSection(&guard);
  return state;
}

static HRESULT step(const wchar_t *path, int from, int to) {
  HRESULT result = INVALID_STATE;
  EnterCriticalSection(&guard);
  State **at = stateAt(path);
  if ((*at ? (*at)->state : REST) == from) {
    result = S_OK;
    if (!*at) {
      *at = calloc(1, sizeof **at);
      (*at)->path = text(L"%ls", path);
    }
    (*at)->state = to;
    if (to == REST) {
      State *gone = *at;
      *at = gone->next;
      free(gone->path);
      free(gone);
    }
  }
  LeaveCriticalSection(&guard);
  return result;
}

static HRESULT stepOf(const DriverInfo *info, const wchar_t *id, int from, int to) {
  wchar_t *path;
  TRY(findLayer(info, id, &path));
  HRESULT result = step(path, from, to);
  free(path);
  return result;
}

API ActivateLayer(DriverInfo *info, const wchar_t *id) {
  NOTE("ActivateLayer", L"%d %ls %ls", info->flavour, info->home, id);
  return stepOf(info, id, REST, ACTIVE);
}

API DeactivateLayer(DriverInfo *info, const wchar_t *id) {
  NOTE("DeactivateLayer", L"%ls", id);
  return stepOf(info, id, ACTIVE, REST);
}

API UnprepareLayer(DriverInfo *info, const wchar_t *id) {
  NOTE("UnprepareLayer", L"%ls", id);
  return stepOf(info, id, PREPARED, ACTIVE);
}

static HRESULT prepare(const DriverInfo *info, const wchar_t *id, const Descriptor *list,
                       ULONG count) {
  wchar_t *path;
  TRY(checkChain(list, count));
  TRY(findLayer(info, id, &path));
  HRESULT result = stateOf(path) == ACTIVE ? S_OK : INVALID_STATE;
  if (result >= 0 && isScratch(path))
    result = count ? prepareVolume(path, list[0].path) : FAIL(ERROR_INVALID_PARAMETER);
  if (result >= 0) result = step(path, ACTIVE, PREPARED);
  free(path);
  return result;
}

API PrepareLayer(DriverInfo *info, const wchar_t *id, Descriptor *list, ULONG count) {
  static LONG busy;
  NOTE("PrepareLayer", L"%ls %ls", id, shown(list, count));
  if (InterlockedIncrement(&busy) != 1) note("PrepareLayer", L"TWO AT ONCE");
  Sleep(1);
  HRESULT result = prepare(info, id, list, count);
  InterlockedDecrement(&busy);
  return result;
}

/* ---- coming and going ---- */

static void fillFrom(const wchar_t *layer, const wchar_t *below) {
  static const wchar_t *tops[] = {L"Files", L"Hives"};
  for (int i = 0; i < 2; i++) {
    wchar_t *to = text(L"%ls\\%ls", layer, tops[i]);
    wchar_t *from = below ? text(L"%ls\\%ls", below, tops[i]) : NULL;
    removeTree(to);
    if (from && isThere(from)) shareTree(from, to);
    else makeDirectory(to);
    free(to);
    free(from);
  }
}

/* `parent` is the name of a folder beside the new one, or nothing. */
API CreateLayer(DriverInfo *info, const wchar_t *id, const wchar_t *parent) {
  wchar_t *path, *below = NULL;
  NOTE("CreateLayer", L"%d [%ls] %ls [%ls]", info->flavour, info->home, id, parent);
  TRY(makeLayer(info, id, &path));
  if (parent[0]) {
    below = text(L"%.*ls%ls", (int)(wcsrchr(path, L'\\') + 1 - path), path, parent);
    if (!isThere(below)) {
      RemoveDirectoryW(path);
      free(below);
      free(path);
      return FAIL(ERROR_FILE_NOT_FOUND);
    }
  }
  fillFrom(path, below);
  wchar_t *fresh = text(L"%ls\\" FRESH, path);
  writeAt(fresh, "", 0);
  free(fresh);
  free(below);
  free(path);
  return S_OK;
}

HRESULT beginLayer(const DriverInfo *info, const wchar_t *id, const Descriptor *list, ULONG count,
                   wchar_t **path) {
  TRY(checkChain(list, count));
  TRY(findLayer(info, id, path));
  if (stateOf(*path) != REST) return free(*path), INVALID_STATE;
  wchar_t *fresh = text(L"%ls\\" FRESH, *path);
  if (!DeleteFileW(fresh)) {
    wchar_t *below = count ? whole(list[0].path) : NULL;
    fillFrom(*path, below);
    free(below);
  }
  free(fresh);
  return S_OK;
}

API CopyLayer(DriverInfo *info, const wchar_t *from, const wchar_t *to, Descriptor *list,
              ULONG count) {
  wchar_t *source, *copy;
  NOTE("CopyLayer", L"%ls %ls %ls", from, to, shown(list, count));
  TRY(checkChain(list, count));
  TRY(findLayer(info, from, &source));
  HRESULT result = makeLayer(info, to, &copy);
  if (result >= 0) {
    fillFrom(copy, source);
    free(copy);
  }
  free(source);
  return result;
}

API DestroyLayer(DriverInfo *info, const wchar_t *id) {
  NOTE("DestroyLayer", L"%ls", id);
  wchar_t *path = layerPath(info, id);
  HRESULT result = stateOf(path) == REST ? S_OK : FAIL(ERROR_SHARING_VIOLATION);
  if (result >= 0) removeTree(path);
  if (result >= 0 && isThere(path)) result = FAIL(ERROR_SHARING_VIOLATION);
  free(path);
  return result;
}

API LayerExists(DriverInfo *info, const wchar_t *id, UINT32 *exists) {
  NOTE("LayerExists", L"%ls", id);
  wchar_t *path = layerPath(info, id);
  *exists = isThere(path);
  free(path);
  return S_OK;
}

API CreateSandboxLayer(DriverInfo *info, const wchar_t *id, const wchar_t *parent,
                       Descriptor *list, ULONG count) {
  wchar_t *path;
  NOTE("CreateSandboxLayer", L"%ls %ls %ls", id, parent ? parent : L"NULL", shown(list, count));
  TRY(checkChain(list, count));
  if (count == 0) return FAIL(ERROR_INVALID_PARAMETER);
  TRY(makeLayer(info, id, &path));
  makeDisk(path, 20ull << 30);
  free(path);
  return S_OK;
}
