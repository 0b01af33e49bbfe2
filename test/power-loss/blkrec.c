// blkrec: a FUSE directory with two files:
//   disk  a disk image; every write and flush goes to the backing file and into a log
//   mark  what is written here goes into the log only: the workload's acknowledgements
// Put a loop device on `disk` and a file system on that: the log is what dm-log-writes would give.
//
// A record, little endian: u32 magic, u32 type (1 write, 2 flush, 3 mark), u64 offset, u32 length,
// u32 zero; then the bytes of a write or mark.
//
//   gcc -O2 blkrec.c -o blkrec $(pkg-config --cflags --libs fuse3)
//   blkrec BACKING LOG MOUNTPOINT -f -s
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAGIC = 0x52424b4c, WRITE = 1, FLUSH = 2, MARK = 3 };
struct record { uint32_t magic, type; uint64_t offset; uint32_t length, zero; };

static int backing, log_fd;
static off_t size;

static int append(uint32_t type, uint64_t offset, const void *data, uint32_t length) {
  struct record r = {MAGIC, type, offset, length, 0};
  struct iovec parts[] = {{&r, sizeof r}, {(void *)data, length}};
  return writev(log_fd, parts, 2) == (ssize_t)(sizeof r + length) ? 0 : -EIO;
}

static int is_mark(const char *path) { return !strcmp(path, "/mark"); }

static int on_getattr(const char *path, struct stat *st, struct fuse_file_info *fi) {
  (void)fi;
  memset(st, 0, sizeof *st);
  st->st_nlink = 1;
  if (!strcmp(path, "/")) { st->st_mode = S_IFDIR | 0700; st->st_nlink = 2; return 0; }
  st->st_mode = S_IFREG | 0600;
  if (is_mark(path)) return 0;
  if (strcmp(path, "/disk")) return -ENOENT;
  st->st_size = size;
  return 0;
}

static int on_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *fi, enum fuse_readdir_flags flags) {
  (void)path; (void)offset; (void)fi; (void)flags;
  const char *names[] = {".", "..", "disk", "mark"};
  for (int i = 0; i < 4; i++) fill(buf, names[i], 0, 0, 0);
  return 0;
}

static int on_open(const char *path, struct fuse_file_info *fi) {
  fi->direct_io = 1;
  fi->fh = is_mark(path);
  return 0;
}

static int on_truncate(const char *path, off_t length, struct fuse_file_info *fi) {
  (void)length; (void)fi;
  return is_mark(path) ? 0 : -EPERM;
}

static int on_read(const char *path, char *buf, size_t n, off_t offset, struct fuse_file_info *fi) {
  (void)path;
  if (fi->fh) return 0;
  ssize_t got = pread(backing, buf, n, offset);
  return got < 0 ? -errno : got;
}

static int on_write(const char *path, const char *buf, size_t n, off_t offset,
                    struct fuse_file_info *fi) {
  (void)path;
  if (!fi->fh && pwrite(backing, buf, n, offset) != (ssize_t)n) return -EIO;
  int error = append(fi->fh ? MARK : WRITE, fi->fh ? 0 : offset, buf, n);
  return error ? error : (int)n;
}

static int on_fsync(const char *path, int datasync, struct fuse_file_info *fi) {
  (void)path; (void)datasync;
  return fi->fh ? 0 : append(FLUSH, 0, "", 0);
}

// A discard may do anything; let it do nothing.
static int on_fallocate(const char *path, int mode, off_t offset, off_t length,
                        struct fuse_file_info *fi) {
  (void)path; (void)mode; (void)offset; (void)length; (void)fi;
  return -EOPNOTSUPP;
}

static void *on_init(struct fuse_conn_info *conn, struct fuse_config *config) {
  config->kernel_cache = 0;
  conn->max_write = 1 << 20;
  return 0;
}

static const struct fuse_operations operations = {
    .getattr = on_getattr, .readdir = on_readdir, .open = on_open,
    .truncate = on_truncate, .read = on_read, .write = on_write,
    .fsync = on_fsync, .fallocate = on_fallocate, .init = on_init,
};

int main(int argc, char **argv) {
  if (argc < 4 || argc > 30) {
    fprintf(stderr, "blkrec BACKING LOG MOUNTPOINT [fuse options]\n");
    return 2;
  }
  backing = open(argv[1], O_RDWR | O_CLOEXEC);
  log_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  struct stat st;
  if (backing < 0 || log_fd < 0 || fstat(backing, &st)) { perror("blkrec"); return 1; }
  size = st.st_size;
  char *args[32] = {argv[0]};
  int n = 1;
  for (int i = 3; i < argc; i++) args[n++] = argv[i];
  // One thread (-s): the log's order is the order in which the disk took the writes.
  return fuse_main(n, args, &operations, 0);
}
