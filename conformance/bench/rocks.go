package main

import (
	"encoding/binary"
	"math"

	"github.com/linxGnu/grocksdb"
)

// raw is RocksDB without SQL: eight bytes of id and a row's values behind it,
// with the options that Kalam uses.
type raw struct {
	path  string
	db    *grocksdb.DB
	read  *grocksdb.ReadOptions
	write *grocksdb.WriteOptions // durable
	loose *grocksdb.WriteOptions // not
	freed []func()
}

func (r *raw) open(path string) (err error) {
	r.path = path
	table := grocksdb.NewDefaultBlockBasedTableOptions()
	table.SetBlockCache(grocksdb.NewLRUCache(cacheMB << 20))
	table.SetBlockSize(16 << 10)
	table.SetFormatVersion(5)
	table.SetFilterPolicy(grocksdb.NewBloomFilterFull(10))
	o := grocksdb.NewDefaultOptions()
	o.SetCreateIfMissing(true)
	o.SetBlockBasedTableFactory(table)
	o.SetCompression(grocksdb.LZ4Compression)
	o.SetLevelCompactionDynamicLevelBytes(true)
	o.SetMaxBackgroundJobs(2)
	o.SetInfoLogLevel(grocksdb.WarnInfoLogLevel)
	if r.db, err = grocksdb.OpenDb(o, path); err != nil {
		return err
	}
	r.read, r.write, r.loose = grocksdb.NewDefaultReadOptions(), grocksdb.NewDefaultWriteOptions(), grocksdb.NewDefaultWriteOptions()
	r.write.SetSync(true)
	r.freed = []func(){r.read.Destroy, r.write.Destroy, r.loose.Destroy, table.Destroy, o.Destroy}
	return nil
}

func (r *raw) close() error {
	r.db.Close()
	for _, free := range r.freed {
		free()
	}
	return nil
}

func rawKey(key []byte, id int) []byte { return binary.BigEndian.AppendUint64(key[:0], uint64(id)) }

// rawRow encodes a row without its id.
func rawRow(value []byte, row []any) []byte {
	value = value[:0]
	for _, v := range row[1:] {
		switch v := v.(type) {
		case int:
			value = binary.AppendVarint(value, int64(v))
		case float64:
			value = binary.LittleEndian.AppendUint64(value, math.Float64bits(v))
		case string:
			value = append(binary.AppendUvarint(value, uint64(len(v))), v...)
		}
	}
	return value
}

// fill adds n rows in batches of a thousand.
func (r *raw) fill(n int, row func(id int) []any) error {
	batch := grocksdb.NewWriteBatch()
	defer batch.Destroy()
	var key, value []byte
	for id := range n {
		key, value = rawKey(key, id), rawRow(value, row(id))
		batch.Put(key, value)
		if batch.Count() == 1000 || id == n-1 {
			if err := r.db.Write(r.loose, batch); err != nil {
				return err
			}
			batch.Clear()
		}
	}
	return nil
}

// get looks a key up; its value is not decoded.
func (r *raw) get(id int) error {
	value, err := r.db.GetPinned(r.read, rawKey(make([]byte, 0, 8), id))
	if err != nil {
		return err
	}
	defer value.Destroy()
	if !value.Exists() {
		return errMissing
	}
	return nil
}

// scan passes values in the order of their keys, n of them at most.
func (r *raw) scan(from, n int, each func(value []byte)) error {
	it := r.db.NewIterator(r.read)
	defer it.Close()
	for it.Seek(rawKey(nil, from)); it.Valid() && n > 0; it.Next() {
		value := it.Value()
		each(value.Data())
		value.Free()
		n--
	}
	return it.Err()
}

func (r *raw) put(id int, row []any) error {
	return r.db.Put(r.write, rawKey(nil, id), rawRow(nil, row))
}
