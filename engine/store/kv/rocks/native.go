//go:build cgo

package rocks

// #cgo CFLAGS: -O2
// #cgo LDFLAGS: -lrocksdb
// #cgo noescape kalam_get
// #cgo nocallback kalam_get
// #cgo noescape kalam_multi_get
// #cgo nocallback kalam_multi_get
// #cgo noescape kalam_scan_next
// #cgo nocallback kalam_scan_next
// #cgo noescape kalam_write
// #cgo nocallback kalam_write
// #cgo nocallback kalam_sync
// #include "native.h"
import "C"

import (
	"unsafe"

	"github.com/linxGnu/grocksdb"
)

// grocksdb keeps its C pointers to itself. These structs have theirs as the
// first field, which TestNativePointers checks.

func nativeDB(db *grocksdb.DB) *C.rocksdb_t {
	return *(**C.rocksdb_t)(unsafe.Pointer(db))
}

func nativeFamily(h *grocksdb.ColumnFamilyHandle) *C.rocksdb_column_family_handle_t {
	return *(**C.rocksdb_column_family_handle_t)(unsafe.Pointer(h))
}

func nativeWriteOptions(o *grocksdb.WriteOptions) *C.rocksdb_writeoptions_t {
	return *(**C.rocksdb_writeoptions_t)(unsafe.Pointer(o))
}

// takeError returns and frees RocksDB's error text, "" when there is none.
func takeError(err *C.char) string {
	if err == nil {
		return ""
	}
	defer C.rocksdb_free(unsafe.Pointer(err))
	return C.GoString(err)
}

// chars returns p as C sees it. C gets no more of it than its length.
func chars(p []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(p))) }
