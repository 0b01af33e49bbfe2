/*
 * A fault injector to preload (LD_PRELOAD). One counter for the whole process counts the C library
 * calls that change something under FAULT_PATH, on all threads; at the FAULT_N-th something happens.
 *
 *   FAULT_PATH     what to watch: every path that begins with this text
 *   FAULT_N        which call, from 1; 0 only counts
 *   FAULT_ACT      kill       SIGKILL before the call
 *                  killafter  SIGKILL after the call
 *                  short      write only half (only writes are affected)
 *                  <number>   fail with this errno, without making the call
 *   FAULT_FOREVER  if set: that call and every later one
 *   FAULT_LOG      file that gets a line "N call path" for each counted call
 *
 * Build: gcc -O2 -shared -fPIC libfault.c -o libfault.so -ldl
 *
 * Bun makes its system calls itself, past the C library, and so past this one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name)                                                             \
  static __typeof__(name) *real;                                               \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static const char *root;
static size_t rootlen;
static long target;
static const char *act;
static int forever, logfd = -1;
static long counter;

/* Our own system calls must not pass through our own wrapper of syscall(). */
static long raw(long n, long a, long b, long c, long d) {
  static long (*real)(long, ...);
  if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  return real(n, a, b, c, d);
}

__attribute__((constructor)) static void init(void) {
  root = getenv("FAULT_PATH");
  rootlen = root ? strlen(root) : 0;
  target = atol(getenv("FAULT_N") ?: "0");
  act = getenv("FAULT_ACT") ?: "kill";
  forever = !!getenv("FAULT_FOREVER");
  const char *log = getenv("FAULT_LOG");
  if (log)
    logfd = raw(SYS_openat, AT_FDCWD, (long)log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void die(void) {
  raw(SYS_kill, getpid(), SIGKILL, 0, 0);
}

/* ── Does it concern what is watched? ─────────────────────────────────────────────────────────── */

static int in_path(const char *p) {
  return root && p && !strncmp(p, root, rootlen);
}

static int in_fd(int fd, char *b, size_t n) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t r = raw(SYS_readlinkat, AT_FDCWD, (long)link, (long)b, n - 1);
  if (r < 0) return 0;
  b[r] = 0;
  return in_path(b);
}

static int at_path(int dfd, const char *p, char *b, size_t n) {
  /* /proc/self/fd/N/name is how a call without an *at form is made relative to a descriptor. */
  static const char self[] = "/proc/self/fd/";
  if (p && !strncmp(p, self, sizeof self - 1)) {
    char *rest;
    dfd = strtol(p + sizeof self - 1, &rest, 10);
    p = *rest == '/' ? rest + 1 : rest;
  }
  if (p && p[0] == '/') {
    snprintf(b, n, "%s", p);
    return in_path(p);
  }
  char dir[2048];
  if (dfd == AT_FDCWD) {
    if (!getcwd(dir, sizeof dir)) return 0;
  } else {
    in_fd(dfd, dir, sizeof dir);
  }
  if (p && p[0]) snprintf(b, n, "%s/%s", dir, p);
  else snprintf(b, n, "%s", dir);
  return in_path(b);
}

/* ── What is to happen ────────────────────────────────────────────────────────────────────────── */

enum { GO_ON, FAIL, SHORT, DIE_AFTER };

static int hit(const char *op, const char *p) {
  long n = __sync_add_and_fetch(&counter, 1);
  if (logfd >= 0) {
    char line[4200];
    int k = snprintf(line, sizeof line, "%ld %s %s\n", n, op, p);
    raw(SYS_write, logfd, (long)line, k, 0);
  }
  if (!target || !(n == target || (forever && n > target))) return GO_ON;
  if (!strcmp(act, "kill")) die();
  if (!strcmp(act, "killafter")) return DIE_AFTER;
  if (!strcmp(act, "short")) return SHORT;
  errno = atoi(act);
  return FAIL;
}

/* A call that returns an int: its name, its log name, parameters, arguments, the test, the path. */
#define WRAP(name, op, params, args, test)                                     \
  int name params {                                                            \
    REAL(name);                                                                \
    char b[4096];                                                              \
    int h = (test) ? hit(op, b) : GO_ON;                                       \
    if (h == FAIL) return -1;                                                  \
    int r = real args;                                                         \
    if (h == DIE_AFTER) die();                                                 \
    return r;                                                                  \
  }
#define AT(dfd, path) at_path(dfd, path, b, sizeof b)
#define CWD(path) AT(AT_FDCWD, path)
#define FD(fd) in_fd(fd, b, sizeof b)

/* ── Names ────────────────────────────────────────────────────────────────────────────────────── */

WRAP(rename, "rename", (const char *a, const char *c), (a, c), CWD(a) || CWD(c))
WRAP(renameat, "rename", (int d, const char *a, int e, const char *c), (d, a, e, c),
     AT(d, a) || AT(e, c))
WRAP(renameat2, "rename", (int d, const char *a, int e, const char *c, unsigned f),
     (d, a, e, c, f), AT(d, a) || AT(e, c))
WRAP(link, "link", (const char *a, const char *c), (a, c), CWD(c))
WRAP(linkat, "link", (int d, const char *a, int e, const char *c, int f), (d, a, e, c, f),
     AT(e, c))
WRAP(symlink, "symlink", (const char *a, const char *c), (a, c), CWD(c))
WRAP(symlinkat, "symlink", (const char *a, int e, const char *c), (a, e, c), AT(e, c))
WRAP(unlink, "unlink", (const char *a), (a), CWD(a))
WRAP(unlinkat, "unlink", (int d, const char *a, int f), (d, a, f), AT(d, a))
WRAP(remove, "unlink", (const char *a), (a), CWD(a))
WRAP(rmdir, "rmdir", (const char *a), (a), CWD(a))
WRAP(mkdir, "mkdir", (const char *a, mode_t m), (a, m), CWD(a))
WRAP(mkdirat, "mkdir", (int d, const char *a, mode_t m), (d, a, m), AT(d, a))
WRAP(mknod, "mknod", (const char *a, mode_t m, dev_t v), (a, m, v), CWD(a))
WRAP(mknodat, "mknod", (int d, const char *a, mode_t m, dev_t v), (d, a, m, v), AT(d, a))

/* ── Metadata ─────────────────────────────────────────────────────────────────────────────────── */

WRAP(chmod, "chmod", (const char *a, mode_t m), (a, m), CWD(a))
WRAP(fchmod, "chmod", (int fd, mode_t m), (fd, m), FD(fd))
WRAP(fchmodat, "chmod", (int d, const char *a, mode_t m, int f), (d, a, m, f), AT(d, a))
WRAP(chown, "chown", (const char *a, uid_t u, gid_t g), (a, u, g), CWD(a))
WRAP(lchown, "chown", (const char *a, uid_t u, gid_t g), (a, u, g), CWD(a))
WRAP(fchown, "chown", (int fd, uid_t u, gid_t g), (fd, u, g), FD(fd))
WRAP(fchownat, "chown", (int d, const char *a, uid_t u, gid_t g, int f), (d, a, u, g, f), AT(d, a))
WRAP(utimensat, "utimens", (int d, const char *a, const struct timespec t[2], int f), (d, a, t, f),
     AT(d, a))
WRAP(futimens, "utimens", (int fd, const struct timespec t[2]), (fd, t), FD(fd))
WRAP(setxattr, "setxattr", (const char *a, const char *k, const void *v, size_t n, int f),
     (a, k, v, n, f), CWD(a))
WRAP(lsetxattr, "setxattr", (const char *a, const char *k, const void *v, size_t n, int f),
     (a, k, v, n, f), CWD(a))
WRAP(fsetxattr, "setxattr", (int fd, const char *k, const void *v, size_t n, int f),
     (fd, k, v, n, f), FD(fd))
WRAP(removexattr, "removexattr", (const char *a, const char *k), (a, k), CWD(a))
WRAP(lremovexattr, "removexattr", (const char *a, const char *k), (a, k), CWD(a))
WRAP(fremovexattr, "removexattr", (int fd, const char *k), (fd, k), FD(fd))

/* ── Mounts ───────────────────────────────────────────────────────────────────────────────────── */

int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);
WRAP(mount, "mount", (const char *s, const char *t, const char *k, unsigned long f, const void *o),
     (s, t, k, f, o), CWD(t))
WRAP(umount2, "umount", (const char *t, int f), (t, f), CWD(t))

/* ── Content ──────────────────────────────────────────────────────────────────────────────────── */

WRAP(ftruncate, "truncate", (int fd, off_t l), (fd, l), FD(fd))
WRAP(ftruncate64, "truncate", (int fd, off64_t l), (fd, l), FD(fd))
WRAP(fsync, "fsync", (int fd), (fd), FD(fd))
WRAP(fdatasync, "fsync", (int fd), (fd), FD(fd))
WRAP(syncfs, "syncfs", (int fd), (fd), FD(fd))

#define MAKES(flags) ((flags) & (O_CREAT | O_TRUNC))
#define OPEN(name)                                                             \
  int name(const char *p, int flags, ...) {                                    \
    REAL(name);                                                                \
    va_list v;                                                                 \
    va_start(v, flags);                                                        \
    int mode = va_arg(v, int);                                                 \
    va_end(v);                                                                 \
    char b[4096];                                                              \
    int h = MAKES(flags) && CWD(p) ? hit("open", b) : GO_ON;                   \
    if (h == FAIL) return -1;                                                  \
    int r = real(p, flags, mode);                                              \
    if (h == DIE_AFTER) die();                                                 \
    return r;                                                                  \
  }
#define OPENAT(name)                                                           \
  int name(int d, const char *p, int flags, ...) {                             \
    REAL(name);                                                                \
    va_list v;                                                                 \
    va_start(v, flags);                                                        \
    int mode = va_arg(v, int);                                                 \
    va_end(v);                                                                 \
    char b[4096];                                                              \
    int h = MAKES(flags) && AT(d, p) ? hit("open", b) : GO_ON;                 \
    if (h == FAIL) return -1;                                                  \
    int r = real(d, p, flags, mode);                                           \
    if (h == DIE_AFTER) die();                                                 \
    return r;                                                                  \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define WRITE(name, params, full, half)                                        \
  ssize_t name params {                                                        \
    REAL(name);                                                                \
    char b[4096];                                                              \
    int h = FD(fd) ? hit("write", b) : GO_ON;                                  \
    if (h == FAIL) return -1;                                                  \
    ssize_t r = h == SHORT ? half : full;                                      \
    if (h == DIE_AFTER) die();                                                 \
    return r;                                                                  \
  }
#define HALF(n) ((n) > 1 ? (n) / 2 : (n))
WRITE(write, (int fd, const void *p, size_t n), real(fd, p, n), real(fd, p, HALF(n)))
WRITE(pwrite, (int fd, const void *p, size_t n, off_t o), real(fd, p, n, o), real(fd, p, HALF(n), o))
WRITE(pwrite64, (int fd, const void *p, size_t n, off64_t o), real(fd, p, n, o),
      real(fd, p, HALF(n), o))
WRITE(writev, (int fd, const struct iovec *v, int n), real(fd, v, n), real(fd, v, 1))
WRITE(pwritev, (int fd, const struct iovec *v, int n, off_t o), real(fd, v, n, o),
      real(fd, v, 1, o))
WRITE(pwritev64, (int fd, const struct iovec *v, int n, off64_t o), real(fd, v, n, o),
      real(fd, v, 1, o))

ssize_t copy_file_range(int in, off64_t *io, int fd, off64_t *oo, size_t n, unsigned f) {
  REAL(copy_file_range);
  char b[4096];
  int h = FD(fd) ? hit("write", b) : GO_ON;
  if (h == FAIL) return -1;
  ssize_t r = real(in, io, fd, oo, h == SHORT ? HALF(n) : n, f);
  if (h == DIE_AFTER) die();
  return r;
}

#define CLONE_FILE 0x40049409 /* FICLONE of <linux/fs.h> */

int ioctl(int fd, unsigned long request, ...) {
  REAL(ioctl);
  va_list v;
  va_start(v, request);
  void *argument = va_arg(v, void *);
  va_end(v);
  char b[4096];
  int h = request == CLONE_FILE && FD(fd) ? hit("clone", b) : GO_ON;
  if (h == FAIL) return -1;
  int r = real(fd, request, argument);
  if (h == DIE_AFTER) die();
  return r;
}

/* ── Calls that the C library has no function for ─────────────────────────────────────────────── */

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

long syscall(long number, ...) {
  REAL(syscall);
  va_list v;
  va_start(v, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(v, long);
  va_end(v);
  char b[4096];
  int h = GO_ON;
  /* struct open_how begins with the flags. */
  if (number == SYS_openat2 && MAKES(*(uint64_t *)a[2]) && AT(a[0], (const char *)a[1]))
    h = hit("open", b);
  if (number == SYS_renameat2 && (AT(a[0], (const char *)a[1]) || AT(a[2], (const char *)a[3])))
    h = hit("rename", b);
  if (h == FAIL) return -1;
  long r = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (h == DIE_AFTER) die();
  return r;
}
