/* What of a layer is not in the one beneath it, and the other way round. */
#include "fake.h"

static void addDifference(Differences *all, const wchar_t *name, wchar_t *path,
                          const BasicInfo *info, UINT64 size) {
  all->items = realloc(all->items, (all->count + 1) * sizeof(Difference));
  Difference *item = &all->items[all->count++];
  *item = (Difference){text(L"%ls", name), path, {{{0}}}, size};
  if (info) item->info = *info;
}

/* `from` in a volume is `Files` in a layer. */
static wchar_t *layerName(const wchar_t *name, const wchar_t *from) {
  return text(L"%ls%ls", wcscmp(from, L"volume") ? from : L"Files", name + wcslen(from));
}

/* Of what is gone only the topmost, in directories that are still there. */
static void addDeletions(Differences *all, const Tree *old, const Tree *sorted,
                         const wchar_t *top) {
  for (size_t i = 0; i < old->count; i++) {
    const wchar_t *name = old->items[i].name;
    if (findIn(sorted, name)) continue;
    wchar_t *parent = text(L"%.*ls", (int)(wcsrchr(name, L'\\') - name), name);
    const Found *directory = findIn(sorted, parent);
    if (directory ? isPlainDirectory(&directory->info) : !wcschr(parent, L'\\')) {
      wchar_t *shown = layerName(name, top);
      addDifference(all, shown, NULL, NULL, 0);
      free(shown);
    }
    free(parent);
  }
}

typedef int (*Same)(const Found *before, const Found *now);

/* In layers that are not changed any more, files are shared. */
static int sameInLayer(const Found *before, const Found *now) {
  if (!isPlainDirectory(&now->info)) return before->number == now->number;
  return before->info.attributes == now->info.attributes &&
         before->info.write.QuadPart == now->info.write.QuadPart &&
         before->info.creation.QuadPart == now->info.creation.QuadPart;
}

/* Of a directory only that it is one: what is in it is looked at. */
static int sameInVolume(const Found *before, const Found *now) {
  if ((before->raw.attributes & DIRECTORY) != (now->raw.attributes & DIRECTORY)) return 0;
  if (now->raw.attributes & DIRECTORY) return 1;
  return before->number == now->number && before->size == now->size &&
         before->raw.write.QuadPart == now->raw.write.QuadPart &&
         before->raw.change.QuadPart == now->raw.change.QuadPart;
}

static void compare(Differences *all, const wchar_t *layer, Tree old, const wchar_t *top,
                    Same same) {
  Tree now = readTree(layer, top);
  Tree sorted = {malloc(now.count * sizeof(Found)), now.count};
  if (now.count) memcpy(sorted.items, now.items, now.count * sizeof(Found));
  sortByName(&sorted);
  Tree inOrder = {malloc(old.count * sizeof(Found)), old.count};
  if (old.count) memcpy(inOrder.items, old.items, old.count * sizeof(Found));
  sortByName(&old);
  for (size_t i = 0; i < now.count; i++) {
    const Found *item = &now.items[i];
    const Found *before = findIn(&old, item->name);
    if (before && same(before, item)) continue;
    wchar_t *name = layerName(item->name, top);
    addDifference(all, name, text(L"%ls\\%ls", layer, item->name), &item->info, item->size);
    free(name);
  }
  addDeletions(all, &inOrder, &sorted, top);
  free(inOrder.items);
  free(sorted.items);
  freeTree(&now);
  freeTree(&old);
}

HRESULT findDifferences(const DriverInfo *info, const wchar_t *id, const Descriptor *list,
                        ULONG count, Differences *found) {
  static const wchar_t *tops[] = {L"Files", L"Hives"};
  wchar_t *path;
  *found = (Differences){0};
  TRY(checkChain(list, count));
  TRY(findLayer(info, id, &path));
  if (stateOf(path) == PREPARED) return free(path), INVALID_STATE;
  if (isScratch(path)) {
    Tree before;
    if (volumeBefore(path, &before)) compare(found, path, before, L"volume", sameInVolume);
  } else {
    wchar_t *below = count ? whole(list[0].path) : NULL;
    for (int i = 0; i < 2; i++) {
      Tree old = {0};
      if (below) old = readTree(below, tops[i]);
      compare(found, path, old, tops[i], sameInLayer);
    }
    free(below);
  }
  free(path);
  return S_OK;
}

void freeDifferences(Differences *found) {
  for (size_t i = 0; i < found->count; i++) {
    free(found->items[i].name);
    free(found->items[i].path);
  }
  free(found->items);
}
