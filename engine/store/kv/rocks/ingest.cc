#include "ingest.h"

#include <cstring>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/sst_file_writer.h"

// As RocksDB's c.cc has them.
struct rocksdb_t {
  rocksdb::DB* rep;
};
struct rocksdb_column_family_handle_t {
  rocksdb::ColumnFamilyHandle* rep;
};

struct kalam_table {
  rocksdb::Options options;
  rocksdb::SstFileWriter writer;

  kalam_table(const rocksdb::Options& o, rocksdb::ColumnFamilyHandle* family)
      : options(o), writer(rocksdb::EnvOptions(), options, family) {}
};

static void fail(char** err, const rocksdb::Status& s) {
  if (!s.ok() && *err == nullptr) {
    *err = strdup(s.ToString().c_str());
  }
}

static uint32_t number(const char* p) {
  const unsigned char* u = reinterpret_cast<const unsigned char*>(p);
  return u[0] | u[1] << 8 | u[2] << 16 | static_cast<uint32_t>(u[3]) << 24;
}

kalam_table* kalam_table_open(rocksdb_t* db,
                              rocksdb_column_family_handle_t* family,
                              const char* path, char** err) {
  rocksdb::Options o = db->rep->GetOptions(family->rep);
  o.bottommost_compression = rocksdb::kDisableCompressionOption;  // the others'
  kalam_table* t = new kalam_table(o, family->rep);
  rocksdb::Status s = t->writer.Open(path);
  if (!s.ok()) {
    fail(err, s);
    delete t;
    return nullptr;
  }
  return t;
}

void kalam_table_add(kalam_table* t, const char* p, size_t len, char** err) {
  const char* end = p + len;
  while (p < end) {
    size_t keylen = number(p), size = number(p + 4);
    rocksdb::Slice key(p + 8, keylen);
    p += 8 + keylen;
    rocksdb::Status s;
    if (size == 0) {
      s = t->writer.Delete(key);
    } else {
      s = t->writer.Put(key, rocksdb::Slice(p, size - 1));
      p += size - 1;
    }
    if (!s.ok()) {
      fail(err, s);
      return;
    }
  }
}

size_t kalam_table_size(kalam_table* t) { return t->writer.FileSize(); }

void kalam_table_close(kalam_table* t, int finish, char** err) {
  if (finish) {
    fail(err, t->writer.Finish());
  }
  delete t;
}

void kalam_ingest(rocksdb_t* db, size_t n,
                  rocksdb_column_family_handle_t** families,
                  const size_t* counts, const char** paths, char** err) {
  std::vector<rocksdb::IngestExternalFileArg> args(n);
  for (size_t i = 0; i < n; i++) {
    args[i].column_family = families[i]->rep;
    args[i].options.move_files = true;
    args[i].options.write_global_seqno = false;
    for (size_t k = 0; k < counts[i]; k++) {
      args[i].external_files.push_back(*paths++);
    }
  }
  fail(err, db->rep->IngestExternalFiles(args));
}
