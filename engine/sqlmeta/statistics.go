package sqlmeta

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// tableStatistics are a table's statistics, beside the system tables: nothing is
// lost with them.
type tableStatistics struct {
	TableID uint32
	Stats   *stats.Table
}

var statistics = &Records[uint32, tableStatistics]{
	name: "table_statistics", id: 8, encode: binary.BigEndian.AppendUint32,
	key: func(r *tableStatistics) uint32 { return r.TableID },
}

// Statistics returns a table's statistics, nil where there are none, or none
// that can be read.
func Statistics(ctx context.Context, rd kv.Reader, table uint32) (*stats.Table, error) {
	r, err := statistics.Get(ctx, rd, table)
	switch {
	case err == nil:
		return r.Stats, nil
	case errors.Is(err, sqlerr.NoSuchRecord), errors.Is(err, sqlerr.Corrupt):
		return nil, nil
	}
	return nil, err
}

// PutStatistics keeps a table's statistics in the place of those before; nil:
// none.
func PutStatistics(ctx context.Context, rw kv.ReadWriter, table uint32, s *stats.Table) error {
	r := &tableStatistics{table, s}
	key := statistics.primaryKey(table)
	if s == nil {
		rw.Delete(kv.Meta, key)
		return nil
	}
	return statistics.put(rw, [][]byte{key}, r)
}
