/* Base images, and what is left of the service. */
#include "fake.h"

static HRESULT give(wchar_t **result, const wchar_t *json) {
  *result = CoTaskMemAlloc((wcslen(json) + 1) * sizeof *json);
  wcscpy(*result, json);
  return S_OK;
}

/* The folder that FAKE_HCS_IMAGE names, if any. */
API GetBaseImages(wchar_t **json) {
  wchar_t path[1024], escaped[2048], *to = escaped;
  NOTE("GetBaseImages", L"");
  if (!GetEnvironmentVariableW(L"FAKE_HCS_IMAGE", path, 1024)) return give(json, L"{\"Images\":null}");
  for (wchar_t *from = path; *from; *to++ = *from++)
    if (*from == L'\\') *to++ = L'\\';
  *to = 0;
  wchar_t *line = text(L"{\"Images\":[{\"Name\":\"%ls\",\"Version\":\"10.0.14393\",\"Path\":\"%ls\","
                       L"\"Size\":0,\"CreatedTime\":\"2016-09-12T00:00:00Z\"}]}",
                       wcsrchr(path, L'\\') + 1, escaped);
  give(json, line);
  free(line);
  return S_OK;
}

/* Nobody has written down how Windows does it. */
void guidOf(const wchar_t *name, GUID *guid) {
  BYTE *bytes = (BYTE *)guid;
  memset(guid, 0, sizeof *guid);
  for (int i = 0; name[i]; i++) guid->Data1 = guid->Data1 * 31 + towlower(name[i]);
  for (int i = 4; i < 16; i++) bytes[i] = (BYTE)(bytes[i - 4] * 31 + i);
}

API NameToGuid(const wchar_t *name, GUID *guid) {
  NOTE("NameToGuid", L"%ls", name);
  guidOf(name, guid);
  return S_OK;
}

static HRESULT writeIn(const wchar_t *folder, const wchar_t *name, const void *bytes, DWORD size) {
  wchar_t *path = text(L"%ls\\%ls", folder, name);
  BOOL ok = writeAt(path, bytes, size);
  free(path);
  return ok ? S_OK : FAIL(GetLastError());
}

/* Makes what scratch layers begin as copies of. */
API ProcessBaseImage(const wchar_t *path) {
  NOTE("ProcessBaseImage", L"%ls", path);
  wchar_t *files = text(L"%ls\\Files", path);
  int there = isThere(files);
  free(files);
  if (!there) return FAIL(ERROR_FILE_NOT_FOUND);
  TRY(writeIn(path, L"layout", "", 0));
  TRY(writeIn(path, L"blank-base.vhdx", "", 0));
  return writeIn(path, L"blank.vhdx", "", 0);
}

/* Changes the boot configuration in place. */
API ProcessUtilityImage(const wchar_t *path) {
  NOTE("ProcessUtilityImage", L"%ls", path);
  if (!isThere(path)) return FAIL(ERROR_FILE_NOT_FOUND);
  wchar_t *bcd = text(L"%ls\\Files\\EFI\\Microsoft\\Boot\\BCD", path);
  HANDLE file = openAt(bcd, FILE_APPEND_DATA, OPEN_EXISTING);
  DWORD written;
  if (file != INVALID_HANDLE_VALUE) {
    WriteFile(file, " processed", 10, &written, NULL);
    CloseHandle(file);
  }
  free(bcd);
  TRY(writeIn(path, L"SystemTemplateBase.vhdx", "", 0));
  return writeIn(path, L"SystemTemplate.vhdx", "", 0);
}

API GrantVmAccess(const wchar_t *vm, const wchar_t *file) {
  NOTE("GrantVmAccess", L"%ls %ls", vm, file);
  return isThere(file) ? S_OK : FAIL(ERROR_FILE_NOT_FOUND);
}

/* Only there to be found: the fourth preview of Windows Server 2016 has not got it. */
API HNSCall(const wchar_t *method, const wchar_t *path, const wchar_t *request, wchar_t **answer) {
  return E_NOTIMPL;
}
