// A shim between RocksDB and the C library, for LD_PRELOAD. For files below the
// directory KALAM_FAULTS_DIR it
//
//   - makes calls fail, as the file KALAM_FAULTS_CONTROL, mapped into memory, says
//     at each moment;
//   - counts calls there;
//   - notes in the file KALAM_FAULTS_JOURNAL how long files are known to be on
//     stable storage, so that what a power failure may take can be taken away:
//     "S size path" after a sync, "R from\tto" after a rename.
//
// Go's own calls do not pass through the C library and are not touched.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// control is what the file has. Chances are per million of calls.
struct control {
  uint32_t write_error;  // EIO
  uint32_t write_full;   // ENOSPC
  uint32_t write_short;  // a part is written, then ENOSPC
  uint32_t sync_error;   // EIO
  uint32_t read_error;   // EIO
  uint32_t read_flip;    // a bit is another one
  uint32_t seed;
  uint32_t writes, syncs, reads, faults;  // counted
};

static struct control nothing, *ctl = &nothing;
static char dir[PATH_MAX];
static size_t dir_len;
static int journal = -1;

enum { max_fd = 65536 };
static char* names[max_fd];  // of files that are open and concerned

#define REAL(name) static __typeof__(name)* real; if (real == NULL) real = (__typeof__(name)*)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char* d = getenv("KALAM_FAULTS_DIR");
  const char* c = getenv("KALAM_FAULTS_CONTROL");
  const char* j = getenv("KALAM_FAULTS_JOURNAL");
  if (d != NULL && strlen(d) < sizeof dir) {
    strcpy(dir, d);
    dir_len = strlen(dir);
  }
  if (c != NULL) {
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, c, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
      void* p = mmap(NULL, sizeof *ctl, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (p != MAP_FAILED) ctl = p;
      close(fd);
    }
  }
  if (j != NULL) journal = (int)syscall(SYS_openat, AT_FDCWD, j, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int concerned(const char* path) { return dir_len > 0 && path != NULL && strncmp(path, dir, dir_len) == 0; }
static const char* name_of(int fd) { return fd >= 0 && fd < max_fd ? names[fd] : NULL; }

static int chance(uint32_t per_million) {
  if (per_million == 0) return 0;
  uint32_t x = __atomic_add_fetch(&ctl->seed, 0x9e3779b9, __ATOMIC_RELAXED);
  x ^= x >> 16; x *= 0x7feb352d; x ^= x >> 15; x *= 0x846ca68b; x ^= x >> 16;
  if (x % 1000000 >= per_million) return 0;
  __atomic_add_fetch(&ctl->faults, 1, __ATOMIC_RELAXED);
  return 1;
}

static void note(const char* format, ...) {
  char line[2 * PATH_MAX + 64];
  va_list args;
  va_start(args, format);
  const int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (journal >= 0 && n > 0) syscall(SYS_write, journal, line, (size_t)n);
}

static void opened(int fd, const char* path) {
  if (fd >= 0 && fd < max_fd) {
    free(names[fd]);
    names[fd] = concerned(path) ? strdup(path) : NULL;
  }
}

int open(const char* path, int flags, ...) {
  REAL(open);
  va_list args;
  va_start(args, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
  va_end(args);
  const int fd = real(path, flags, mode);
  opened(fd, path);
  return fd;
}

int close(int fd) {
  REAL(close);
  if (fd >= 0 && fd < max_fd && names[fd] != NULL) {
    free(names[fd]);
    names[fd] = NULL;
  }
  return real(fd);
}

// spoil returns how many bytes of a write to make, -1 for an error.
static ssize_t spoil(size_t n) {
  __atomic_add_fetch(&ctl->writes, 1, __ATOMIC_RELAXED);
  if (chance(ctl->write_error)) { errno = EIO; return -1; }
  if (chance(ctl->write_full)) { errno = ENOSPC; return -1; }
  if (n > 1 && chance(ctl->write_short)) return (ssize_t)(n / 2);
  return (ssize_t)n;
}

ssize_t write(int fd, const void* p, size_t n) {
  REAL(write);
  if (name_of(fd) == NULL) return real(fd, p, n);
  const ssize_t some = spoil(n);
  if (some < 0) return -1;
  const ssize_t done = real(fd, p, (size_t)some);
  if (done >= 0 && (size_t)some < n) { errno = ENOSPC; return -1; }
  return done;
}

ssize_t pwrite(int fd, const void* p, size_t n, off_t at) {
  REAL(pwrite);
  if (name_of(fd) == NULL) return real(fd, p, n, at);
  const ssize_t some = spoil(n);
  if (some < 0) return -1;
  return real(fd, p, (size_t)some, at);
}

ssize_t pread(int fd, void* p, size_t n, off_t at) {
  REAL(pread);
  if (name_of(fd) == NULL) return real(fd, p, n, at);
  __atomic_add_fetch(&ctl->reads, 1, __ATOMIC_RELAXED);
  if (chance(ctl->read_error)) { errno = EIO; return -1; }
  const ssize_t done = real(fd, p, n, at);
  if (done > 0 && chance(ctl->read_flip)) ((char*)p)[done / 2] ^= 4;
  return done;
}

static int synced(int fd, int (*real)(int)) {
  const char* name = name_of(fd);
  if (name == NULL) return real(fd);
  struct stat st;
  __atomic_add_fetch(&ctl->syncs, 1, __ATOMIC_RELAXED);
  if (chance(ctl->sync_error)) { errno = EIO; return -1; }
  const int known = fstat(fd, &st);
  const int status = real(fd);
  if (status == 0 && known == 0 && S_ISREG(st.st_mode)) note("S %lld %s\n", (long long)st.st_size, name);
  return status;
}

int fsync(int fd) {
  REAL(fsync);
  return synced(fd, real);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return synced(fd, real);
}

int rename(const char* from, const char* to) {
  REAL(rename);
  const int status = real(from, to);
  if (status == 0 && concerned(from)) note("R %s\t%s\n", from, to);
  return status;
}

#ifdef __GLIBC__
int open64(const char* path, int flags, ...) __attribute__((alias("open")));
#endif
