#include <string.h>

#include "rocksdb/db.h"

extern "C" {
#include "native.h"
}

// As RocksDB's db/c.cc has it.
struct rocksdb_t {
  ROCKSDB_NAMESPACE::DB* rep;
};

char* kalam_resume(rocksdb_t* db) {
  const ROCKSDB_NAMESPACE::Status s = db->rep->Resume();
  return s.ok() ? nullptr : strdup(s.ToString().c_str());
}
