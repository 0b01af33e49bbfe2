// meddle: another program on the same file system. It writes and syncs a file of its own, again
// and again, until it is killed, and so makes the file system commit its journal, with the names
// that somebody else made and without the data that he has not synced, at moments that he did not
// choose.
//
//   meddle FILE SEED
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  srand(atoi(argv[2]));
  int fd = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) { perror("meddle"); return 1; }
  for (unsigned n = 0;; n++) {
    if (pwrite(fd, &n, sizeof n, (rand() % 16) * 4096) < 0 || fsync(fd)) return 1;
    usleep(rand() % 40000);
  }
}
