/*
 * A vmcompute.dll of our own, for tests under wine: the layer functions of Windows' host compute
 * service over plain directories, and what wine lacks beneath them: backup streams, and the parts of
 * a file that they carry. Calls in the wrong order, or with a chain that is not the layer's, fail as
 * Windows fails them.
 *
 *   log.c         what was called, and failing on command
 *   rest.c        what NTFS keeps of a file and wine does not
 *   files.c       paths, whole trees
 *   backup.c      backup streams, given and taken
 *   backup-calls.c BackupRead and BackupWrite
 *   nt.c          the file functions of ntdll.dll that have to know of the rest
 *   layers.c      layers, their chains and states
 *   scratch.c     disks and volumes of writable layers
 *   differences.c what of a layer is not in the one beneath it
 *   transport.c   ImportLayer and ExportLayer
 *   streaming.c   the same file by file
 *   images.c      base images, and the rest of the service
 *
 * x86_64-w64-mingw32-gcc -O1 -Wall -Wno-attributes -shared -static -o fake-vmcompute.dll \
 *   *.c forwarded.def -lole32
 */
#ifndef FAKE_H
#define FAKE_H
#include <windows.h>
#include <objbase.h>
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>
#include <winternl.h>

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
  LARGE_INTEGER creation, access, write, change;
  DWORD attributes;
} BasicInfo;
_Static_assert(sizeof(DriverInfo) == 16 && sizeof(Descriptor) == 32 && sizeof(BasicInfo) == 40, "");

#define EXPORT __declspec(dllexport)
#define API EXPORT HRESULT WINAPI
#define FAIL(code) HRESULT_FROM_WIN32(code)
#define INVALID_STATE ((HRESULT)0xC0370105)
#define LINK FILE_ATTRIBUTE_REPARSE_POINT
#define DIRECTORY FILE_ATTRIBUTE_DIRECTORY

/* log.c */
HRESULT note(const char *name, const wchar_t *format, ...);
const wchar_t *shown(const Descriptor *list, ULONG count);
/* Returns from a function that was made to fail. */
#define NOTE(name, ...)                       \
  do {                                        \
    HRESULT wanted = note(name, __VA_ARGS__); \
    if (wanted < 0) return wanted;            \
  } while (0)
/* And from one whose step has failed. */
#define TRY(call)                    \
  do {                               \
    HRESULT result = (call);         \
    if (result < 0) return result;   \
  } while (0)

/* files.c: paths are on the heap, and have \\?\ in front */
wchar_t *text(const wchar_t *format, ...);
wchar_t *whole(const wchar_t *path);
int isThere(const wchar_t *path);
HANDLE openAt(const wchar_t *path, DWORD access, DWORD disposition);
BYTE *contentOf(const wchar_t *path, DWORD *size);
BOOL writeAt(const wchar_t *path, const void *bytes, DWORD size);
void makeDirectory(const wchar_t *path);
void removeTree(const wchar_t *path);
/* Files shared; what is known of directories copied. */
void shareTree(const wchar_t *from, const wchar_t *to);

typedef struct {
  wchar_t *name;
  /* Attributes and times as they are seen, and as wine keeps them. */
  BasicInfo info, raw;
  UINT64 number, size;
} Found;
typedef struct {
  Found *items;
  size_t count;
} Tree;
/* What is below root\top, directories before what is in them, each name with `top` in front. */
Tree readTree(const wchar_t *root, const wchar_t *top);
void sortByName(Tree *tree);
Found *findIn(const Tree *sorted, const wchar_t *name);
void freeTree(Tree *tree);
int isPlainDirectory(const BasicInfo *info);

/* rest.c: all under one lock */
typedef struct Part {
  DWORD id, attributes, nameBytes;
  UINT64 size;
  wchar_t *name;
  BYTE *payload;
  int behindData;
  struct Part *next;
} Part;
typedef struct {
  UINT64 offset, size;
} Block;
typedef struct Rest {
  DWORD volume;
  UINT64 number;
  int hasInfo;
  BasicInfo info;
  LONGLONG written;
  Part *parts;
  Block *blocks;
  int blockCount;
  struct Rest *next;
} Rest;
extern CRITICAL_SECTION guard;
extern LONG directoryLinks;
Rest *restOf(HANDLE file, int make);
void forget(HANDLE file);
void dropParts(Rest *rest);
void addPart(Rest *rest, Part *part);
int isLink(HANDLE file);
void rawInfo(HANDLE file, BasicInfo *info);
void seeInfo(HANDLE file, BasicInfo *info);
/* To be called behind the real call that sets it. */
void keepInfo(HANDLE file, const BasicInfo *info);
BOOL setInfo(HANDLE file, const BasicInfo *info);
void copyRest(HANDLE from, HANDLE to);

/* backup.c */
typedef struct Reader Reader;
typedef struct Writer Writer;
Reader *beginBackup(HANDLE file, BOOL security);
BOOL readBackup(Reader *reader, BYTE *buffer, DWORD size, DWORD *got);
void endReader(Reader *reader);
Writer *beginRestore(BOOL security);
BOOL restore(Writer *writer, HANDLE file, const BYTE *bytes, DWORD size);
void endRestore(Writer *writer);

/* layers.c */
HRESULT findLayer(const DriverInfo *info, const wchar_t *id, wchar_t **path);
HRESULT checkChain(const Descriptor *list, ULONG count);
enum { REST, ACTIVE, PREPARED };
int stateOf(const wchar_t *path);
/* The layer as it is to be imported on: with all that the one beneath has, and no more. */
HRESULT beginLayer(const DriverInfo *info, const wchar_t *id, const Descriptor *list, ULONG count,
                   wchar_t **path);

/* scratch.c */
int isScratch(const wchar_t *layer);
wchar_t *volumeOf(const wchar_t *layer);
HRESULT prepareVolume(const wchar_t *layer, const wchar_t *below);
BOOL makeDisk(const wchar_t *layer, UINT64 size);
int volumeBefore(const wchar_t *layer, Tree *before);

/* differences.c */
typedef struct {
  /* From the layer's folder. */
  wchar_t *name;
  /* Where it is; NULL if it was deleted. */
  wchar_t *path;
  BasicInfo info;
  UINT64 size;
} Difference;
typedef struct {
  Difference *items;
  size_t count;
} Differences;
HRESULT findDifferences(const DriverInfo *info, const wchar_t *id, const Descriptor *list,
                        ULONG count, Differences *found);
void freeDifferences(Differences *found);

/* images.c */
void guidOf(const wchar_t *name, GUID *guid);
#endif
