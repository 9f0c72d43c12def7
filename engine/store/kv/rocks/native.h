// What kv/rocks does in C: things that would take many calls across the cgo
// border. Errors are RocksDB's: a string to free with rocksdb_free, or NULL.
#ifndef KALAM_ROCKS_NATIVE_H
#define KALAM_ROCKS_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rocksdb/c.h"

// kalam_snapshot is a snapshot and the options that read it.
typedef struct {
  const rocksdb_snapshot_t* snapshot;
  rocksdb_readoptions_t* options;
} kalam_snapshot;

kalam_snapshot kalam_snapshot_open(rocksdb_t* db);
void kalam_snapshot_free(rocksdb_t* db, kalam_snapshot s);

// kalam_get looks up a key. It returns false when the key is missing or err is
// set; else the value has len bytes. They are in buf, or if that has not the cap for
// them at data, until pinned is destroyed.
typedef struct {
  size_t len;
  rocksdb_pinnableslice_t* pinned;
  const char* data;
  char* err;
} kalam_value;
bool kalam_get(rocksdb_t* db, kalam_snapshot s,
               rocksdb_column_family_handle_t* family, const char* key,
               size_t keylen, char* buf, size_t cap, kalam_value* value);

// kalam_multi_get looks up n keys, which lie one after another in keys; lens
// has their lengths. It sets lens[i] to the length of key i's value, or to -1
// when it is missing, and total to their sum. The result goes to
// kalam_multi_take; it is NULL when err is set.
typedef struct kalam_values kalam_values;
kalam_values* kalam_multi_get(rocksdb_t* db, kalam_snapshot s,
                              rocksdb_column_family_handle_t* family, size_t n,
                              const char* keys, int64_t* lens, bool sorted,
                              size_t* total, char** err);

// kalam_multi_take copies the values to dst, one after another, and frees v.
void kalam_multi_take(kalam_values* v, char* dst);

// kalam_scan is an iterator with what must live as long as it does.
typedef struct kalam_scan kalam_scan;

enum { kalam_reverse = 1, kalam_keys_only = 2, kalam_no_cache = 4 };

// kalam_scan_open starts a scan from start, inclusive, to end, exclusive. A
// negative length means no bound. The scan gets stuck rather than to pass over
// more deleted keys than skippable at a time.
kalam_scan* kalam_scan_open(rocksdb_t* db, kalam_snapshot s,
                            rocksdb_column_family_handle_t* family,
                            const char* start, ptrdiff_t startlen,
                            const char* end, ptrdiff_t endlen, int flags,
                            uint64_t skippable);

// kalam_scan_ranges starts an ascending scan of n ranges, in order and apart, one
// after the other. Their bounds lie in keys, range i's start from pos[2*i] on and
// its end from pos[2*i+1] on.
kalam_scan* kalam_scan_ranges(rocksdb_t* db, kalam_snapshot s,
                              rocksdb_column_family_handle_t* family,
                              const char* keys, const uint32_t* pos, size_t n,
                              int flags, uint64_t skippable);

// kalam_scan_resume makes a scan that got stuck go on after key, the last that
// it returned, or from its start when key is NULL; it won't get stuck again.
// The scan's snapshot must be alive.
void kalam_scan_resume(kalam_scan* s, rocksdb_t* db,
                       rocksdb_column_family_handle_t* family, const char* key,
                       size_t keylen);

// kalam_scan_uncache makes a scan go on after key, the last that it returned,
// without leaving what it reads in the block cache. The scan's snapshot must be
// alive.
void kalam_scan_uncache(kalam_scan* s, rocksdb_t* db,
                        rocksdb_column_family_handle_t* family, const char* key,
                        size_t keylen);

// kalam_result tells what kalam_scan_next did.
typedef struct {
  size_t rows;
  size_t need;  // bytes of the pair that did not fit, 0 when there is none
  bool end;     // nothing is left
  bool stuck;   // kalam_scan_resume must be called
  char* err;
} kalam_result;

// kalam_scan_next copies up to rows pairs into buf, whose size is cap: keys and
// values one after another, with their 2*rows+1 positions in pos. It stops
// before a pair that does not fit, to go on with it in the next call.
void kalam_scan_next(kalam_scan* s, size_t rows, char* buf, size_t cap,
                     uint32_t* pos, kalam_result* result);

void kalam_scan_free(kalam_scan* s);

// kalam_write applies the write batch whose bytes are at rep.
char* kalam_write(rocksdb_t* db, const rocksdb_writeoptions_t* options,
                  const char* rep, size_t len);

// kalam_sync syncs the log.
char* kalam_sync(rocksdb_t* db);

// kalam_resume lets writes work again after an error that stopped them, if its
// cause is gone. RocksDB's C interface lacks it.
char* kalam_resume(rocksdb_t* db);

// kalam_sync_file waits until what a file has is on stable storage. It returns how
// many bytes these are at least, or -1.
int64_t kalam_sync_file(const char* path);

// kalam_replace_file writes a file under the name temp and gives it another one. It
// returns 0, or -1.
int kalam_replace_file(const char* temp, const char* path, const char* data,
                       size_t len);

#endif
