/* What was called, with its raw arguments, in the file that FAKE_HCS_LOG names; and failing. */
#include "fake.h"

static LONG fuse;
static HRESULT fault;

/* Makes the n-th call from now fail; 0: none. */
EXPORT void WINAPI FailAt(LONG n, HRESULT result) {
  fault = result;
  InterlockedExchange(&fuse, n);
}

/* How many calls were made since, as a negative number, once the fuse has blown. */
EXPORT LONG WINAPI Fuse(void) { return fuse; }

static void writeLine(const char *name, const wchar_t *line) {
  wchar_t path[1024];
  if (!GetEnvironmentVariableW(L"FAKE_HCS_LOG", path, 1024)) return;
  size_t size = wcslen(line) * 4 + strlen(name) + 3;
  char *bytes = malloc(size);
  int length = sprintf(bytes, "%s ", name);
  length += WideCharToMultiByte(CP_UTF8, 0, line, -1, bytes + length, size - length, 0, 0) - 1;
  bytes[length++] = '\n';
  HANDLE log = CreateFileW(path, FILE_APPEND_DATA, 7, NULL, OPEN_ALWAYS, 0, NULL);
  DWORD written;
  WriteFile(log, bytes, length, &written, NULL);
  CloseHandle(log);
  free(bytes);
}

/* The call that FAKE_HCS_FAIL names fails with FAKE_HCS_HRESULT (hexadecimal). */
static HRESULT failure(const char *name) {
  char wanted[64], result[32];
  if (fuse != 0 && InterlockedDecrement(&fuse) == 0) return fault;
  if (!GetEnvironmentVariableA("FAKE_HCS_FAIL", wanted, 64) || strcmp(wanted, name)) return S_OK;
  if (!GetEnvironmentVariableA("FAKE_HCS_HRESULT", result, 32)) return E_FAIL;
  return (HRESULT)strtoul(result, NULL, 16);
}

HRESULT note(const char *name, const wchar_t *format, ...) {
  va_list args;
  va_start(args, format);
  int length = _vscwprintf(format, args);
  va_end(args);
  wchar_t *line = malloc((length + 1) * sizeof *line);
  va_start(args, format);
  vswprintf(line, length + 1, format, args);
  va_end(args);
  writeLine(name, line);
  free(line);
  return failure(name);
}

/* First field of the guid, flags and path of each descriptor. */
const wchar_t *shown(const Descriptor *list, ULONG count) {
  static __thread wchar_t *line;
  free(line);
  line = text(L"%lu%ls", count, list ? L"" : L" NULL");
  for (ULONG i = 0; i < count; i++) {
    wchar_t *before = line;
    line = text(L"%ls %08lx:%lx:%ls", before, list[i].id.Data1, list[i].flags, list[i].path);
    free(before);
  }
  return line;
}
