package store

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"vitess.io/vitess/go/mysql/collations/colldata"

	"github.com/kalamgo/kalam/engine/types"
)

// taken returns the row that holds a key that row would have, and the key.
func taken(t *mTable, rows []mRow, row mRow) (string, mRow) {
	for _, r := range rows {
		if compareBy(t, t.PrimaryKey, r, row) == 0 {
			return "PRIMARY", r
		}
	}
	for _, ix := range t.Indexes {
		if !ix.Unique || slices.ContainsFunc(ix.Columns, func(c int) bool { return row[c].IsNull() }) {
			continue
		}
		for _, r := range rows {
			if compareBy(t, ix.Columns, r, row) == 0 {
				return ix.Name, r
			}
		}
	}
	return "", nil
}

// within reports whether a row is in a range of the key columns.
func within(t *mTable, columns []int, row mRow, r KeyRange) bool {
	key := make([]types.Value, len(columns))
	for i, c := range columns {
		key[i] = row[c]
	}
	if len(r.Low) > 0 {
		if c := comparePrefix(t, columns, key[:len(r.Low)], r.Low); c < 0 || c == 0 && r.LowExclusive {
			return false
		}
	}
	if len(r.High) > 0 {
		if c := comparePrefix(t, columns, key[:len(r.High)], r.High); c > 0 || c == 0 && r.HighExclusive {
			return false
		}
	}
	return true
}

func compareBy(t *mTable, columns []int, a, b mRow) int {
	for _, c := range columns {
		if x := compareValues(t.Columns[c].Type, a[c], b[c]); x != 0 {
			return x
		}
	}
	return 0
}

func comparePrefix(t *mTable, columns []int, a, b []types.Value) int {
	for i := range a {
		if x := compareValues(t.Columns[columns[i]].Type, a[i], b[i]); x != 0 {
			return x
		}
	}
	return 0
}

func compareValues(t types.Type, a, b types.Value) int {
	switch {
	case a.IsNull() || b.IsNull():
		return cmp.Compare(a.Physical(), b.Physical()) // PhysNull is the least
	case t.Physical() == types.PhysInt64:
		return cmp.Compare(a.Int(), b.Int())
	case t.Physical() == types.PhysUint64:
		return cmp.Compare(a.Uint(), b.Uint())
	case t.Physical() == types.PhysFloat64:
		return cmp.Compare(a.Float(), b.Float())
	case t.Kind == types.Decimal:
		x, _ := new(big.Rat).SetString(string(a.Bytes()))
		y, _ := new(big.Rat).SetString(string(b.Bytes()))
		return x.Cmp(y)
	case t.LossyKey():
		return colldata.Lookup(t.Collation).Collate(a.Bytes(), b.Bytes(), false)
	}
	return bytes.Compare(a.Bytes(), b.Bytes())
}

func showBatch(b *types.Batch) string {
	s := make([]string, b.Len)
	for i := range s {
		s[i] = "(" + showRow(b.Row(i, nil)) + ")"
	}
	return strings.Join(s, " ")
}

func showRanges(ranges []KeyRange) string {
	if ranges == nil {
		return "all"
	}
	var s []string
	for _, r := range ranges {
		s = append(s, fmt.Sprintf("[%s %v, %s %v]", showRow(r.Low), r.LowExclusive, showRow(r.High), r.HighExclusive))
	}
	return strings.Join(s, " ")
}
