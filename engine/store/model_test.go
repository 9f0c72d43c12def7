package store

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"vitess.io/vitess/go/mysql/collations/colldata"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// taken returns the row that holds a key that row would have, and the key.
func taken(t *mTable, rows []mRow, row mRow) (string, mRow) {
	for _, r := range rows {
		if compareBy(t, primaryKey(t), r, row) == 0 {
			return "PRIMARY", r
		}
	}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if !ix.Unique || slices.ContainsFunc(ix.Columns, func(c int) bool { return row[c].IsNull() }) {
			continue
		}
		for _, r := range rows {
			if compareBy(t, ix.Own(), r, row) == 0 {
				return ix.Name, r
			}
		}
	}
	return "", nil
}

func primaryKey(t *mTable) []schema.KeyColumn {
	key, _ := t.Key(nil)
	return key
}

// within reports whether a row is in a range of a key.
func within(t *mTable, key []schema.KeyColumn, row mRow, r KeyRange) bool {
	values := make([]types.Value, len(key))
	for i, k := range key {
		values[i] = row[k.Column]
	}
	if len(r.Low) > 0 {
		if c := comparePrefix(t, key, values[:len(r.Low)], r.Low); c < 0 || c == 0 && r.LowExclusive {
			return false
		}
	}
	if len(r.High) > 0 {
		if c := comparePrefix(t, key, values[:len(r.High)], r.High); c > 0 || c == 0 && r.HighExclusive {
			return false
		}
	}
	return true
}

func compareBy(t *mTable, key []schema.KeyColumn, a, b mRow) int {
	for _, k := range key {
		if x := compareParts(t, k, a[k.Column], b[k.Column]); x != 0 {
			return x
		}
	}
	return 0
}

func comparePrefix(t *mTable, key []schema.KeyColumn, a, b []types.Value) int {
	for i := range a {
		if x := compareParts(t, key[i], a[i], b[i]); x != 0 {
			return x
		}
	}
	return 0
}

func compareParts(t *mTable, k schema.KeyColumn, a, b types.Value) int {
	if k.Prefix > 0 {
		a, b = beginning(a, k.Prefix), beginning(b, k.Prefix)
	}
	c := compareValues(t.Columns[k.Column].Type, a, b)
	if k.Desc {
		return -c
	}
	return c
}

// beginning returns the first n characters of a text.
func beginning(v types.Value, n int) types.Value {
	if v.IsNull() {
		return v
	}
	r := []rune(string(v.Bytes()))
	return types.NewString(string(r[:min(n, len(r))]))
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
