// What kv/rocks does in C++: several families' files written in one step, which
// RocksDB's C interface lacks.
#ifndef KALAM_ROCKS_INGEST_H
#define KALAM_ROCKS_INGEST_H

#include <stddef.h>

#include "rocksdb/c.h"

#ifdef __cplusplus
extern "C" {
#endif

// kalam_table is a file of sorted pairs that is being written.
typedef struct kalam_table kalam_table;

// kalam_table_open begins a file for a family. On failure it returns NULL and
// sets err, to free with rocksdb_free.
kalam_table* kalam_table_open(rocksdb_t* db,
                              rocksdb_column_family_handle_t* family,
                              const char* path, char** err);

// kalam_table_add adds pairs: each the length of the key and one more than that of the
// value, 0 for a key that is deleted (4 bytes each, little endian), then both.
void kalam_table_add(kalam_table* t, const char* pairs, size_t len, char** err);

// kalam_table_size returns the bytes written so far.
size_t kalam_table_size(kalam_table* t);

// kalam_table_close frees t; with finish it completes the file and syncs it.
void kalam_table_close(kalam_table* t, int finish, char** err);

// kalam_ingest makes files part of the database, all or none, and moves them there:
// counts[i] of them for families[i].
void kalam_ingest(rocksdb_t* db, size_t n,
                  rocksdb_column_family_handle_t** families,
                  const size_t* counts, const char** paths, char** err);

#ifdef __cplusplus
}
#endif

#endif
