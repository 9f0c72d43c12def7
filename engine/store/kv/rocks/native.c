//go:build cgo

#include "native.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

kalam_snapshot kalam_snapshot_open(rocksdb_t* db) {
  kalam_snapshot s;
  s.snapshot = rocksdb_create_snapshot(db);
  s.options = rocksdb_readoptions_create();
  rocksdb_readoptions_set_snapshot(s.options, s.snapshot);
  return s;
}

void kalam_snapshot_free(rocksdb_t* db, kalam_snapshot s) {
  rocksdb_readoptions_destroy(s.options);
  rocksdb_release_snapshot(db, s.snapshot);
}

bool kalam_get(rocksdb_t* db, kalam_snapshot s,
               rocksdb_column_family_handle_t* family, const char* key,
               size_t keylen, char* buf, size_t cap, kalam_value* value) {
  rocksdb_pinnableslice_t* v = rocksdb_get_pinned_cf(db, s.options, family, key,
                                                     keylen, &value->err);
  if (v == NULL) return false;
  const char* data = rocksdb_pinnableslice_value(v, &value->len);
  if (value->len <= cap) {
    memcpy(buf, data, value->len);
    rocksdb_pinnableslice_destroy(v);
  } else {
    value->pinned = v;
    value->data = data;
  }
  return true;
}

struct kalam_values {
  size_t n;
  rocksdb_pinnableslice_t* values[];
};

kalam_values* kalam_multi_get(rocksdb_t* db, kalam_snapshot s,
                              rocksdb_column_family_handle_t* family, size_t n,
                              const char* keys, int64_t* lens, bool sorted,
                              size_t* total, char** err) {
  // One block: the result, then errors, key pointers and key lengths.
  kalam_values* v = malloc(sizeof *v + n * sizeof v->values[0]);
  char** scratch = malloc(n * (2 * sizeof(char*) + sizeof(size_t)));
  if (v == NULL || scratch == NULL) abort();
  char** errs = scratch;
  const char** ptrs = (const char**)(scratch + n);
  size_t* sizes = (size_t*)(scratch + 2 * n);
  for (size_t i = 0; i < n; i++) {
    ptrs[i] = keys;
    sizes[i] = (size_t)lens[i];
    keys += lens[i];
    errs[i] = NULL;
    v->values[i] = NULL;
  }
  v->n = n;
  rocksdb_batched_multi_get_cf(db, s.options, family, n, ptrs, sizes, v->values,
                               errs, sorted);
  *total = 0;
  for (size_t i = 0; i < n; i++) {
    size_t len = 0;
    lens[i] = -1;
    if (v->values[i] != NULL) {
      rocksdb_pinnableslice_value(v->values[i], &len);
      lens[i] = (int64_t)len;
      *total += len;
    }
    if (errs[i] != NULL) {
      if (*err == NULL) {
        *err = errs[i];
      } else {
        rocksdb_free(errs[i]);
      }
    }
  }
  free(scratch);
  if (*err != NULL) {
    kalam_multi_take(v, NULL);
    return NULL;
  }
  return v;
}

void kalam_multi_take(kalam_values* v, char* dst) {
  for (size_t i = 0; i < v->n; i++) {
    if (v->values[i] == NULL) continue;
    if (dst != NULL) {
      size_t len;
      const char* data = rocksdb_pinnableslice_value(v->values[i], &len);
      memcpy(dst, data, len);
      dst += len;
    }
    rocksdb_pinnableslice_destroy(v->values[i]);
  }
  free(v);
}

struct kalam_scan {
  rocksdb_readoptions_t* options;
  rocksdb_iterator_t* it;
  int flags;
  bool started;
  char* after;  // where to start when it is not NULL: behind this key
  size_t afterlen, aftercap;
  size_t ranges, range;  // how many there are, 0: one; the current one
  char* keys;            // of the ranges, as kalam_scan_ranges gets them
  uint32_t* pos;
  char bounds[];  // the options point here
};

kalam_scan* kalam_scan_open(rocksdb_t* db, kalam_snapshot s,
                            rocksdb_column_family_handle_t* family,
                            const char* start, ptrdiff_t startlen,
                            const char* end, ptrdiff_t endlen, int flags,
                            uint64_t skippable) {
  size_t ns = startlen < 0 ? 0 : (size_t)startlen;
  size_t ne = endlen < 0 ? 0 : (size_t)endlen;
  kalam_scan* scan = malloc(sizeof *scan + ns + ne);
  if (scan == NULL) abort();
  scan->options = rocksdb_readoptions_create();
  scan->flags = flags;
  scan->started = false;
  scan->after = NULL;
  scan->aftercap = 0;
  scan->ranges = scan->range = 0;
  scan->keys = NULL;
  scan->pos = NULL;
  rocksdb_readoptions_set_snapshot(scan->options, s.snapshot);
  rocksdb_readoptions_set_max_skippable_internal_keys(scan->options, skippable);
  if (flags & kalam_no_cache) {
    rocksdb_readoptions_set_fill_cache(scan->options, 0);
  }
  if (startlen >= 0) {
    memcpy(scan->bounds, start, ns);
    rocksdb_readoptions_set_iterate_lower_bound(scan->options, scan->bounds, ns);
  }
  if (endlen >= 0) {
    memcpy(scan->bounds + ns, end, ne);
    rocksdb_readoptions_set_iterate_upper_bound(scan->options,
                                                scan->bounds + ns, ne);
  }
  scan->it = rocksdb_create_iterator_cf(db, scan->options, family);
  return scan;
}

kalam_scan* kalam_scan_ranges(rocksdb_t* db, kalam_snapshot s,
                              rocksdb_column_family_handle_t* family,
                              const char* keys, const uint32_t* pos, size_t n,
                              int flags, uint64_t skippable) {
  kalam_scan* scan = kalam_scan_open(
      db, s, family, keys, pos[1] - pos[0], keys + pos[2 * n - 1],
      pos[2 * n] - pos[2 * n - 1], flags, skippable);
  scan->ranges = n;
  scan->keys = malloc(pos[2 * n] + 1);
  scan->pos = malloc((2 * n + 1) * sizeof *pos);
  if (scan->keys == NULL || scan->pos == NULL) abort();
  memcpy(scan->keys, keys, pos[2 * n]);
  memcpy(scan->pos, pos, (2 * n + 1) * sizeof *pos);
  return scan;
}

// remember makes key what the scan goes on behind, should it be opened again.
static void remember(kalam_scan* s, const char* key, size_t len) {
  if (s->aftercap < len + 1) {
    free(s->after);
    s->aftercap = 2 * len + 1;
    s->after = malloc(s->aftercap);
    if (s->after == NULL) abort();
  }
  memcpy(s->after, key, len);
  s->afterlen = len;
}

// reopen makes a scan go on after key, if not NULL, with options that were
// changed.
static void reopen(kalam_scan* s, rocksdb_t* db,
                   rocksdb_column_family_handle_t* family, const char* key,
                   size_t keylen) {
  rocksdb_iter_destroy(s->it);
  s->it = rocksdb_create_iterator_cf(db, s->options, family);
  s->started = false;
  if (key != NULL) remember(s, key, keylen);
}

void kalam_scan_resume(kalam_scan* s, rocksdb_t* db,
                       rocksdb_column_family_handle_t* family, const char* key,
                       size_t keylen) {
  rocksdb_readoptions_set_max_skippable_internal_keys(s->options, 0);
  reopen(s, db, family, key, keylen);
}

void kalam_scan_uncache(kalam_scan* s, rocksdb_t* db,
                        rocksdb_column_family_handle_t* family, const char* key,
                        size_t keylen) {
  rocksdb_readoptions_set_fill_cache(s->options, 0);
  reopen(s, db, family, key, keylen);
}

static void step(kalam_scan* s) {
  if (s->flags & kalam_reverse) {
    rocksdb_iter_prev(s->it);
  } else {
    rocksdb_iter_next(s->it);
  }
}

static void start(kalam_scan* s) {
  const bool reverse = s->flags & kalam_reverse;
  s->started = true;
  if (s->after == NULL) {
    if (reverse) {
      rocksdb_iter_seek_to_last(s->it);
    } else {
      rocksdb_iter_seek_to_first(s->it);
    }
    return;
  }
  if (reverse) {
    rocksdb_iter_seek_for_prev(s->it, s->after, s->afterlen);
  } else {
    rocksdb_iter_seek(s->it, s->after, s->afterlen);
  }
  if (rocksdb_iter_valid(s->it)) {
    size_t len;
    const char* key = rocksdb_iter_key(s->it, &len);
    if (len == s->afterlen && memcmp(key, s->after, len) == 0) step(s);
  }
}

// bound compares key with bound i of the ranges: 2*range is its start, 2*range+1
// its end.
static int bound(const kalam_scan* s, size_t i, const char* key, size_t len) {
  const size_t blen = s->pos[i + 1] - s->pos[i];
  const int c = memcmp(key, s->keys + s->pos[i], len < blen ? len : blen);
  if (c != 0) return c;
  return len < blen ? -1 : len > blen;
}

// near is how many keys are stepped over before the iterator seeks: a seek costs
// about as much.
enum { near = 8 };

// find moves on to the next key in a range and reports whether there is one.
static bool find(kalam_scan* s) {
  for (int steps = 0; rocksdb_iter_valid(s->it); steps++) {
    size_t len;
    const char* key = rocksdb_iter_key(s->it, &len);
    while (bound(s, 2 * s->range + 1, key, len) >= 0) {
      if (++s->range == s->ranges) return false;
    }
    if (bound(s, 2 * s->range, key, len) >= 0) return true;
    if (steps < near) {
      step(s);
    } else {
      const uint32_t* p = s->pos + 2 * s->range;
      rocksdb_iter_seek(s->it, s->keys + p[0], p[1] - p[0]);
      steps = 0;
    }
  }
  return false;
}

void kalam_scan_next(kalam_scan* s, size_t rows, char* buf, size_t cap,
                     uint32_t* pos, kalam_result* result) {
  rocksdb_iterator_t* it = s->it;
  const bool keys_only = s->flags & kalam_keys_only;
  size_t n = 0, used = 0, klen = 0, vlen = 0;
  if (!s->started) start(s);
  pos[0] = 0;
  result->need = 0;
  while (n < rows && (s->ranges > 0 ? s->range < s->ranges && find(s)
                                    : rocksdb_iter_valid(it))) {
    const char* key = rocksdb_iter_key(it, &klen);
    const char* value = keys_only ? NULL : rocksdb_iter_value(it, &vlen);
    if (klen + vlen > cap - used) {
      result->need = klen + vlen;
      break;
    }
    memcpy(buf + used, key, klen);
    used += klen;
    pos[2 * n + 1] = (uint32_t)used;
    if (vlen > 0) memcpy(buf + used, value, vlen);
    used += vlen;
    pos[2 * n + 2] = (uint32_t)used;
    n++;
    step(s);
  }
  if (s->ranges > 0 && n > 0) {
    // A later call may get stuck before it finds anything.
    remember(s, buf + pos[2 * n - 2], pos[2 * n - 1] - pos[2 * n - 2]);
  }
  result->rows = n;
  result->end = !rocksdb_iter_valid(it) || (s->ranges > 0 && s->range == s->ranges);
  result->stuck = false;
  result->err = NULL;
  if (result->end) rocksdb_iter_get_error(it, &result->err);
  // Status::Incomplete, in RocksDB's util/status.cc
  static const char incomplete[] = "Result incomplete";
  if (result->err != NULL &&
      strncmp(result->err, incomplete, sizeof incomplete - 1) == 0) {
    rocksdb_free(result->err);
    result->err = NULL;
    result->end = false;
    result->stuck = true;
  }
}

void kalam_scan_free(kalam_scan* s) {
  rocksdb_iter_destroy(s->it);
  rocksdb_readoptions_destroy(s->options);
  free(s->after);
  free(s->keys);
  free(s->pos);
  free(s);
}

char* kalam_write(rocksdb_t* db, const rocksdb_writeoptions_t* options,
                  const char* rep, size_t len) {
  char* err = NULL;
  rocksdb_writebatch_t* batch = rocksdb_writebatch_create_from(rep, len);
  rocksdb_write(db, options, batch, &err);
  rocksdb_writebatch_destroy(batch);
  return err;
}

char* kalam_sync(rocksdb_t* db) {
  char* err = NULL;
  rocksdb_flush_wal(db, 1, &err);
  return err;
}

int64_t kalam_sync_file(const char* path) {
  struct stat st;
  int64_t size = -1;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  if (fstat(fd, &st) == 0 && fsync(fd) == 0) size = st.st_size;
  close(fd);
  return size;
}

int kalam_replace_file(const char* temp, const char* path, const char* data,
                       size_t len) {
  const int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  const bool written = write(fd, data, len) == (ssize_t)len;
  if (close(fd) == 0 && written && rename(temp, path) == 0) return 0;
  unlink(temp);
  return -1;
}
