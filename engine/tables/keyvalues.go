package tables

import (
	"context"
	"slices"
	"sort"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// keyValues are those that rows of a batch have in some columns, each once and in
// the order of keys. Rows that have NULL in one of the columns have none.
type keyValues struct {
	rows    *types.Batch
	columns []int
	keys    []string  // see store.AppendValues
	of      [][]int32 // for each key, the rows that have it, in order
}

// valuesOf returns the values of rows; where other is given, of those rows that
// have other values there.
func valuesOf(rows *types.Batch, columns []int, other *types.Batch) (*keyValues, error) {
	v := &keyValues{rows: rows, columns: columns}
	at := map[string]int{}
	var key []byte
	for i := range rows.Len {
		if other != nil && sameIn(rows, other, columns, i) {
			continue
		}
		k, null, err := store.AppendValues(key[:0], rows, columns, i)
		if key = k; err != nil {
			return nil, err
		}
		if null {
			continue
		}
		n, known := at[string(key)]
		if !known {
			n = len(v.keys)
			at[string(key)] = n
			v.keys, v.of = append(v.keys, string(key)), append(v.of, nil)
		}
		v.of[n] = append(v.of[n], int32(i))
	}
	sort.Sort(v)
	return v, nil
}

func sameIn(a, b *types.Batch, columns []int, i int) bool {
	for _, c := range columns {
		if a.Columns[c].IsNull(i) != b.Columns[c].IsNull(i) || !sameValue(a.Columns[c], b.Columns[c], i) {
			return false
		}
	}
	return true
}

func (v *keyValues) Len() int           { return len(v.keys) }
func (v *keyValues) Less(i, j int) bool { return v.keys[i] < v.keys[j] }
func (v *keyValues) Swap(i, j int) {
	v.keys[i], v.keys[j] = v.keys[j], v.keys[i]
	v.of[i], v.of[j] = v.of[j], v.of[i]
}

// find returns the place of the key that row i of rows has in columns, or -1.
func (v *keyValues) find(rows *types.Batch, columns []int, i int) (int, error) {
	key, null, err := store.AppendValues(nil, rows, columns, i)
	if err != nil || null {
		return -1, err
	}
	if n, ok := slices.BinarySearch(v.keys, string(key)); ok {
		return n, nil
	}
	return -1, nil
}

// ranges are where an index that the values lead has them.
func (v *keyValues) ranges() []store.KeyRange {
	list := make([]store.KeyRange, len(v.keys))
	for n := range v.keys {
		key := make([]types.Value, len(v.columns))
		for k, c := range v.columns {
			key[k] = v.rows.Columns[c].Value(int(v.of[n][0]))
		}
		list[n] = store.KeyRange{Low: key, High: key}
	}
	return list
}

// lock locks the values in columns of a table.
func (v *keyValues) lock(ctx context.Context, t store.Tied, columns []int, alone bool) error {
	for _, k := range v.keys {
		if err := t.LockValues(ctx, columns, []byte(k), alone); err != nil {
			return err
		}
	}
	return nil
}

// held tells of each key whether a table has rows with it in columns, which
// lead index ix; with one, until the first that it has.
func (v *keyValues) held(ctx context.Context, t store.Tied, ix *schema.Index, columns []int, one bool) ([]bool, error) {
	now, release, err := t.Latest()
	if err != nil {
		return nil, err
	}
	defer release()
	s := now.Scan(store.ScanRequest{Index: ix, Columns: columns, Ranges: v.ranges()})
	defer s.Close()
	ts, at := make([]types.Type, len(columns)), make([]int, len(columns))
	for i, c := range columns {
		ts[i], at[i] = t.Schema().Columns[c].Type, i
	}
	out := make([]bool, len(v.keys))
	b := types.NewBatch(ts)
	for {
		if err := s.Next(ctx, b); err != nil || b.Len == 0 {
			return out, err
		}
		for i := range b.Len {
			n, err := v.find(b, at, i)
			if err != nil {
				return nil, err
			}
			if n >= 0 {
				out[n] = true
			}
			if one && n >= 0 {
				return out, nil
			}
		}
	}
}

// orphan is a row that references one that is not there.
type orphan struct {
	row int32
	fk  *plan.ForeignKey
}

// orphansOf returns the rows of v, values of fk's own columns, that reference no row, in
// order. Rows of a table that references itself may reference those before them in the batch, and themselves.
func orphansOf(ctx context.Context, v *keyValues, parent store.Tied, fk *plan.ForeignKey) ([]orphan, error) {
	var list []orphan
	held := make([]bool, len(v.keys))
	if parent != nil {
		if err := v.lock(ctx, parent, fk.To, false); err != nil {
			return nil, err
		}
		var err error
		if held, err = v.held(ctx, parent, fk.ByTo, fk.To, false); err != nil {
			return nil, err
		}
	}
	var own *keyValues
	for n, there := range held {
		if there {
			continue
		}
		first := int32(v.rows.Len) // the first row of the batch that is referenced
		if fk.ToItself() {
			if own == nil {
				var err error
				if own, err = valuesOf(v.rows, fk.To, nil); err != nil {
					return nil, err
				}
			}
			if m, ok := slices.BinarySearch(own.keys, v.keys[n]); ok {
				first = own.of[m][0]
			}
		}
		for _, row := range v.of[n] {
			if row < first {
				list = append(list, orphan{row, fk})
			}
		}
	}
	return list, nil
}
