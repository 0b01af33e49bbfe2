/*
 * The file functions of ntdll.dll that have to know what wine does not keep: alternate streams are
 * opened by `name:stream`, no name leads through a reparse point, times and attributes are those that
 * were set.
 */
#include "fake.h"

#define REPARSE_POINT_ENCOUNTERED ((NTSTATUS)0xC000050B)
#define NAME_NOT_FOUND ((NTSTATUS)0xC0000034)
#define DONT_REPARSE 0x1000
/* Dispositions and options of NtCreateFile. */
#define OPEN 1
#define CREATE 2
#define SYNCHRONOUS_BACKUP 0x4020
#define BASIC_INFORMATION 4
#define DISPOSITION_INFORMATION 13

typedef NTSTATUS(NTAPI *CreateFileCall)(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *,
                                        IO_STATUS_BLOCK *, LARGE_INTEGER *, ULONG, ULONG, ULONG,
                                        ULONG, void *, ULONG);
typedef NTSTATUS(NTAPI *InformationCall)(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, ULONG);

static void *real(const char *name) {
  return (void *)GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name);
}

/* Opens what the first `length` characters of a name lead to. */
static NTSTATUS openPart(HANDLE *file, OBJECT_ATTRIBUTES *object, USHORT length) {
  UNICODE_STRING name = *object->ObjectName;
  OBJECT_ATTRIBUTES part = *object;
  IO_STATUS_BLOCK block;
  name.Length = name.MaximumLength = length * sizeof(wchar_t);
  part.ObjectName = &name;
  CreateFileCall create = real("NtCreateFile");
  return create(file, GENERIC_READ | SYNCHRONIZE, &part, &block, NULL, 0, 7, OPEN,
                SYNCHRONOUS_BACKUP, NULL, 0);
}

static int leadsThroughLink(OBJECT_ATTRIBUTES *object) {
  const UNICODE_STRING *name = object->ObjectName;
  if (directoryLinks == 0) return 0;
  for (USHORT i = 0; i < name->Length / sizeof(wchar_t); i++) {
    HANDLE directory;
    if (name->Buffer[i] != L'\\' || openPart(&directory, object, i) < 0) continue;
    int link = isLink(directory);
    CloseHandle(directory);
    if (link) return 1;
  }
  return 0;
}

/* A file that is gone when it is closed, with these bytes. */
static HANDLE passing(const BYTE *bytes, UINT64 size) {
  wchar_t folder[MAX_PATH], path[MAX_PATH];
  DWORD written;
  GetTempPathW(MAX_PATH, folder);
  GetTempFileNameW(folder, L"ads", 0, path);
  HANDLE file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE | DELETE, 7, NULL, CREATE_ALWAYS,
                            FILE_FLAG_DELETE_ON_CLOSE, NULL);
  WriteFile(file, bytes, (DWORD)size, &written, NULL);
  SetFilePointer(file, 0, NULL, FILE_BEGIN);
  return file;
}

static NTSTATUS openStream(HANDLE *file, OBJECT_ATTRIBUTES *object, USHORT colon) {
  HANDLE owner;
  const UNICODE_STRING *name = object->ObjectName;
  NTSTATUS status = openPart(&owner, object, colon);
  if (status < 0) return status;
  wchar_t *wanted = text(L"%.*ls", name->Length / (int)sizeof(wchar_t) - colon,
                         name->Buffer + colon);
  wchar_t *withType = text(L"%ls%ls", wanted, wcsstr(wanted, L":$DATA") ? L"" : L":$DATA");
  status = NAME_NOT_FOUND;
  EnterCriticalSection(&guard);
  Rest *rest = restOf(owner, 0);
  for (Part *part = rest ? rest->parts : NULL; part; part = part->next) {
    if (part->id != BACKUP_ALTERNATE_DATA || _wcsicmp(part->name, withType)) continue;
    *file = passing(part->payload, part->size);
    status = 0;
    break;
  }
  LeaveCriticalSection(&guard);
  free(wanted);
  free(withType);
  CloseHandle(owner);
  return status;
}

NTSTATUS NTAPI FakeCreateFile(HANDLE *file, ACCESS_MASK access, OBJECT_ATTRIBUTES *object,
                              IO_STATUS_BLOCK *block, LARGE_INTEGER *size, ULONG attributes,
                              ULONG share, ULONG disposition, ULONG options, void *ea,
                              ULONG eaBytes) {
  if (object->RootDirectory && (object->Attributes & DONT_REPARSE)) {
    if (leadsThroughLink(object)) return REPARSE_POINT_ENCOUNTERED;
    const UNICODE_STRING *name = object->ObjectName;
    const wchar_t *colon = wmemchr(name->Buffer, L':', name->Length / sizeof(wchar_t));
    if (colon) return openStream(file, object, colon - name->Buffer);
  }
  NTSTATUS status = ((CreateFileCall)real("NtCreateFile"))(
      file, access, object, block, size, attributes, share, disposition, options, ea, eaBytes);
  if (status >= 0 && disposition == CREATE) forget(*file);
  return status;
}

NTSTATUS NTAPI FakeQueryInformationFile(HANDLE file, IO_STATUS_BLOCK *block, void *data,
                                        ULONG bytes, ULONG kind) {
  NTSTATUS status =
      ((InformationCall)real("NtQueryInformationFile"))(file, block, data, bytes, kind);
  if (status >= 0 && kind == BASIC_INFORMATION) seeInfo(file, data);
  return status;
}

NTSTATUS NTAPI FakeSetInformationFile(HANDLE file, IO_STATUS_BLOCK *block, void *data, ULONG bytes,
                                      ULONG kind) {
  BY_HANDLE_FILE_INFORMATION info;
  int isLast = kind == DISPOSITION_INFORMATION && GetFileInformationByHandle(file, &info) &&
               info.nNumberOfLinks <= 1;
  NTSTATUS status = ((InformationCall)real("NtSetInformationFile"))(file, block, data, bytes, kind);
  if (status < 0) return status;
  if (kind == BASIC_INFORMATION) keepInfo(file, data);
  if (isLast) forget(file);
  return status;
}
