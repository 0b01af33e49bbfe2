/*
 * What NTFS keeps of a file and wine does not: the time of its creation, that of its last change,
 * most attributes, whether it is a reparse point, security, extended attributes, alternate streams,
 * where its data are sparse. Here it is kept in memory by the file's number, so that all names of a
 * file have it, and it moves with the file.
 */
#include "fake.h"

CRITICAL_SECTION guard;
LONG directoryLinks;
static Rest *known[4096];

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved) {
  if (reason == DLL_PROCESS_ATTACH) InitializeCriticalSection(&guard);
  return TRUE;
}

static Rest **slotOf(HANDLE file, DWORD *volume, UINT64 *number) {
  BY_HANDLE_FILE_INFORMATION info;
  if (!GetFileInformationByHandle(file, &info)) return NULL;
  *volume = info.dwVolumeSerialNumber;
  *number = ((UINT64)info.nFileIndexHigh << 32) | info.nFileIndexLow;
  Rest **slot = &known[*number % 4096];
  while (*slot && ((*slot)->number != *number || (*slot)->volume != *volume)) slot = &(*slot)->next;
  return slot;
}

/* Call it, and use what it gives, under the guard. */
Rest *restOf(HANDLE file, int make) {
  DWORD volume;
  UINT64 number;
  Rest **slot = slotOf(file, &volume, &number);
  if (!slot || *slot || !make) return slot ? *slot : NULL;
  *slot = calloc(1, sizeof(Rest));
  (*slot)->volume = volume;
  (*slot)->number = number;
  return *slot;
}

static int hasLink(const Rest *rest) {
  for (const Part *part = rest->parts; part; part = part->next)
    if (part->id == BACKUP_REPARSE_DATA) return 1;
  return 0;
}

void dropParts(Rest *rest) {
  while (rest->parts) {
    Part *part = rest->parts;
    rest->parts = part->next;
    free(part->name);
    free(part->payload);
    free(part);
  }
  free(rest->blocks);
  rest->blocks = NULL;
  rest->blockCount = 0;
}

void addPart(Rest *rest, Part *part) {
  Part **end = &rest->parts;
  while (*end) end = &(*end)->next;
  part->next = NULL;
  *end = part;
}

/* A number is given again when its file is gone. */
void forget(HANDLE file) {
  DWORD volume;
  UINT64 number;
  EnterCriticalSection(&guard);
  Rest **slot = slotOf(file, &volume, &number);
  if (slot && *slot) {
    Rest *rest = *slot;
    *slot = rest->next;
    dropParts(rest);
    free(rest);
  }
  LeaveCriticalSection(&guard);
}

int isLink(HANDLE file) {
  EnterCriticalSection(&guard);
  Rest *rest = restOf(file, 0);
  int link = rest && hasLink(rest);
  LeaveCriticalSection(&guard);
  return link;
}

void rawInfo(HANDLE file, BasicInfo *info) {
  FILE_BASIC_INFO basic = {0};
  GetFileInformationByHandleEx(file, FileBasicInfo, &basic, sizeof basic);
  memcpy(info, &basic, sizeof *info);
}

/* Whoever has written to the file meanwhile has set its times. */
void seeInfo(HANDLE file, BasicInfo *info) {
  rawInfo(file, info);
  EnterCriticalSection(&guard);
  Rest *rest = restOf(file, 0);
  if (rest && rest->hasInfo) {
    DWORD attributes = rest->info.attributes | (info->attributes & DIRECTORY);
    if (rest->written == info->write.QuadPart) *info = rest->info;
    info->creation = rest->info.creation;
    info->attributes = attributes;
  }
  if (rest && hasLink(rest)) info->attributes |= LINK;
  LeaveCriticalSection(&guard);
}

/* As in Windows, a 0 leaves what it is of as it is. */
void keepInfo(HANDLE file, const BasicInfo *info) {
  BasicInfo raw, old;
  rawInfo(file, &raw);
  seeInfo(file, &old);
  EnterCriticalSection(&guard);
  Rest *rest = restOf(file, 1);
  if (rest) {
    rest->hasInfo = 1;
    rest->written = raw.write.QuadPart;
    rest->info.creation = info->creation.QuadPart ? info->creation : old.creation;
    rest->info.access = info->access.QuadPart ? info->access : old.access;
    rest->info.write = info->write.QuadPart ? info->write : old.write;
    rest->info.change = info->change.QuadPart ? info->change : old.change;
    rest->info.attributes = (info->attributes ? info->attributes : old.attributes) & ~(DIRECTORY | LINK);
  }
  LeaveCriticalSection(&guard);
}

BOOL setInfo(HANDLE file, const BasicInfo *info) {
  FILE_BASIC_INFO basic;
  memcpy(&basic, info, sizeof basic);
  basic.FileAttributes &= ~(DIRECTORY | LINK);
  if (!basic.FileAttributes) basic.FileAttributes = FILE_ATTRIBUTE_NORMAL;
  if (!SetFileInformationByHandle(file, FileBasicInfo, &basic, sizeof basic)) return FALSE;
  keepInfo(file, info);
  return TRUE;
}

static Part *copyOf(const Part *part) {
  Part *copy = malloc(sizeof *copy);
  *copy = *part;
  copy->name = malloc(part->nameBytes + 2);
  memcpy(copy->name, part->name, part->nameBytes + 2);
  copy->payload = malloc(part->size + 1);
  memcpy(copy->payload, part->payload, part->size);
  return copy;
}

/* For a copy of a file. */
void copyRest(HANDLE from, HANDLE to) {
  EnterCriticalSection(&guard);
  Rest *rest = restOf(from, 0);
  if (rest && rest->parts) {
    Rest *copy = restOf(to, 1);
    dropParts(copy);
    for (const Part *part = rest->parts; part; part = part->next) addPart(copy, copyOf(part));
  }
  LeaveCriticalSection(&guard);
}
