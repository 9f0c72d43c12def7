//go:build cgo

package rocks

// #cgo CXXFLAGS: -std=c++17
// #include <stdlib.h>
// #include "ingest.h"
import "C"

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// tableBytes is about how large the files are that Ingest writes.
const tableBytes = 64 * mib

// Ingest implements kv.DB: it writes files of sorted pairs and makes them part of
// the database in one step, which RocksDB's manifest records.
func (db *DB) Ingest(ctx context.Context, dir string, source kv.Source, publish func(func() error) error) error {
	if err := kv.Cancelled(ctx); err != nil {
		return err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if err := db.writable(); err != nil {
		return err
	}
	if db.cfg.InMemory {
		dir = memoryPath
	} else {
		var err error
		if dir, err = os.MkdirTemp(dir, "commit-"); err != nil {
			return db.failure(err.Error())
		}
		defer os.RemoveAll(dir)
	}
	in := &ingest{db: db, dir: dir}
	defer in.close(false)
	for {
		s, c, err := source(ctx)
		if err != nil {
			return err
		}
		if c.Len() == 0 {
			break
		}
		if err := in.add(s, c); err != nil {
			return err
		}
	}
	if err := in.close(true); err != nil || len(in.paths) == 0 {
		return err
	}
	if publish == nil {
		return in.ingest()
	}
	return publish(in.ingest)
}

// ingest is the files of a commit.
type ingest struct {
	db     *DB
	dir    string
	table  *C.kalam_table // the one that is written
	space  kv.Space
	paths  []string
	counts [kv.NumSpaces]int
	buf    []byte
}

func (in *ingest) add(s kv.Space, c *kv.Chunk) error {
	if in.table != nil && (s != in.space || C.kalam_table_size(in.table) > tableBytes) {
		if err := in.close(true); err != nil {
			return err
		}
	}
	var status *C.char
	if in.table == nil {
		in.space = s
		path := filepath.Join(in.dir, fmt.Sprintf("%p-%d.sst", in, len(in.paths)))
		p := C.CString(path)
		defer C.free(unsafe.Pointer(p))
		if in.table = C.kalam_table_open(in.db.c, in.db.families[s], p, &status); status != nil {
			return in.db.failure(takeError(status))
		}
		in.paths = append(in.paths, path)
		in.counts[s]++
	}
	in.buf = in.buf[:0]
	for i := range c.Len() {
		key, value := c.Key(i), c.Value(i)
		in.buf = binary.LittleEndian.AppendUint32(in.buf, uint32(len(key)))
		if value[0] == kv.TagDeleted {
			in.buf = binary.LittleEndian.AppendUint32(in.buf, 0)
			in.buf = append(in.buf, key...)
			continue
		}
		in.buf = binary.LittleEndian.AppendUint32(in.buf, uint32(len(value))) // one more than without the tag
		in.buf = append(append(in.buf, key...), value[1:]...)
	}
	C.kalam_table_add(in.table, chars(in.buf), C.size_t(len(in.buf)), &status)
	if status != nil {
		return in.db.failure(takeError(status))
	}
	return nil
}

// close ends the file that is written; without finish it is of no use.
func (in *ingest) close(finish bool) error {
	if in.table == nil {
		return nil
	}
	var status *C.char
	var f C.int
	if finish {
		f = 1
	}
	C.kalam_table_close(in.table, f, &status)
	in.table = nil
	if status != nil {
		return in.db.failure(takeError(status))
	}
	return nil
}

func (in *ingest) ingest() error {
	var families []*C.rocksdb_column_family_handle_t
	var counts []C.size_t
	for s, n := range in.counts {
		if n > 0 {
			families = append(families, in.db.families[s])
			counts = append(counts, C.size_t(n))
		}
	}
	paths := make([]*C.char, len(in.paths))
	for i, p := range in.paths {
		paths[i] = C.CString(p)
		defer C.free(unsafe.Pointer(paths[i]))
	}
	return in.db.try(func() (status *C.char) {
		C.kalam_ingest(in.db.c, C.size_t(len(families)), &families[0], &counts[0], &paths[0], &status)
		return status
	})
}
