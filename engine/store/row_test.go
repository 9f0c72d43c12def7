package store

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// wide has a column of each way to keep one.
func wide() *schema.Table {
	kind := func(k types.Kind) types.Type { return types.Type{Kind: k, Size: -1} }
	unsigned := func(k types.Kind) types.Type { return types.Type{Kind: k, Size: -1, Unsigned: true} }
	t := &schema.Table{ID: 1000, Namespace: "test", Name: "wide", Kind: schema.Shared, Version: 3, PrimaryKey: []int{0}}
	for i, ty := range []types.Type{
		types.Int64Type, kind(types.TinyInt), unsigned(types.SmallInt), kind(types.MediumInt), unsigned(types.Int),
		types.Uint64Type, kind(types.Float), types.Float64Type, types.TextType, types.BytesType,
		kind(types.Date), kind(types.DateTime), kind(types.Time), kind(types.Year), types.DecimalType(9, 2),
		types.DecimalType(18, 2), types.DecimalType(30, 2), types.JSONType, kind(types.UUID),
		{Kind: types.Bit, Size: 20}, {Kind: types.Enum, Members: &types.Members{Names: []string{"a", "b"}}},
		{Kind: types.Set, Members: &types.Members{Names: []string{"a", "b"}}},
	} {
		// Ids with gaps, and not in the columns' order.
		t.Columns = append(t.Columns, schema.Column{ID: uint32(3*i + 1 - 4*(i%2)), Name: fmt.Sprint("c", i), Type: ty})
	}
	return t
}

func wideRow(t *schema.Table) []types.Value {
	date := int64(2024*13+2)<<5 | 29
	return []types.Value{
		types.NewInt(-1), types.NewInt(-128), types.NewUint(65535), types.NewInt(-8388608), types.NewUint(math.MaxUint32),
		types.NewUint(math.MaxUint64), types.NewFloat(1.5), types.NewFloat(-0.1), types.NewString("text"), types.NewString("\x00\xff"),
		types.NewInt(date << dateShift), types.NewInt(date<<dateShift | 1), types.NewInt(-3020399000000), types.NewInt(2155),
		types.NewInt(-999999999), types.NewInt(999999999999999999), types.NewString("-1.00"), types.NewString("{}"),
		types.NewString("0123456789abcdef"), types.NewUint(1<<20 - 1), types.NewUint(2), types.NewUint(3),
	}
}

// decodeRows reads columns of the rows of t.
func decodeRows(t *schema.Table, columns []int, rows ...[]byte) (*types.Batch, error) {
	d := rowDecoder{l: newLayout(t), values: zeroValues{}}
	for i, c := range columns {
		d.add(c, i)
	}
	b := types.NewBatch(typesOf(t, columns))
	err := d.decode(make([][]byte, len(rows)), rows, b.Columns)
	b.Len = len(rows)
	return b, err
}

func TestRowRoundTrip(t *testing.T) {
	t.Parallel()
	tab := wide()
	l := newLayout(tab)
	full := wideRow(tab)
	r := rand.New(rand.NewPCG(5, 6))
	in := types.NewBatch(tab.Types())
	var encoded [][]byte
	for n := range 200 {
		row := append([]types.Value(nil), full...)
		for c := 1; c < len(row); c++ {
			if r.IntN(4) == 0 {
				row[c] = types.Value{}
			} else if c == 8 { // ends of four bytes, of two, of one
				row[c] = types.NewString(strings.Repeat("x", []int{70000, 300, 5}[n%3]))
			}
		}
		in.AppendRow(row)
		v, err := l.appendRow(nil, in, n, int64(n))
		if err != nil {
			t.Fatal(err)
		}
		if at, err := rowUpdated(v); at != int64(n) || err != nil {
			t.Fatalf("updated %d, %v, want %d", at, err, n)
		}
		encoded = append(encoded, v)
	}
	for range 50 {
		columns := []int{}
		for c := 1; c < len(full); c++ {
			if r.IntN(3) == 0 {
				columns = append(columns, c)
			}
		}
		r.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		out, err := decodeRows(tab, columns, encoded...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range encoded {
			for n, c := range columns {
				if got, want := show(out.Columns[n].Value(i)), show(in.Columns[c].Value(i)); got != want {
					t.Fatalf("row %d, column %s: %s, want %s", i, tab.Columns[c].Name, got, want)
				}
			}
		}
	}
}

// TestRowOfFormat3 reads a short row as it was written before ends took a byte.
func TestRowOfFormat3(t *testing.T) {
	t.Parallel()
	tab := people(schema.Shared)
	in := batch(tab, []any{1, "ann", 30, "xy", 1.5})
	row, err := newLayout(tab).appendRow(nil, in, 0, 7)
	if err != nil {
		t.Fatal(err)
	}
	const texts = len("ann") + len("xy")
	ends := row[len(row)-texts-2:]
	old := append([]byte{rowFormat}, row[1:len(row)-len(ends)]...)
	old = append(old, ends[0], 0, ends[1], 0)
	old = append(old, ends[2:]...)
	for _, r := range [][]byte{row, old} {
		out, err := decodeRows(tab, []int{1, 2, 3, 4}, r, old, row)
		if err != nil {
			t.Fatal(err)
		}
		for i := range out.Len {
			for n, c := range []int{1, 2, 3, 4} {
				if got, want := show(out.Columns[n].Value(i)), show(in.Columns[c].Value(0)); got != want {
					t.Errorf("row %d, column %s: %s, want %s", i, tab.Columns[c].Name, got, want)
				}
			}
		}
		if at, err := rowUpdated(r); at != 7 || err != nil {
			t.Errorf("updated %d, %v", at, err)
		}
	}
	for _, format := range []byte{0x13, 0x14, 0x00, 0xff} {
		bad := append([]byte{format}, row[1:]...)
		if _, err := decodeRows(tab, []int{2}, row, bad); !errors.Is(err, errRow) {
			t.Errorf("format %#x: %v", format, err)
		}
		if _, err := rowUpdated(bad); !errors.Is(err, errRow) {
			t.Errorf("format %#x: %v", format, err)
		}
	}
}

// TestRowOfOtherVersion reads rows of a schema with other columns.
func TestRowOfOtherVersion(t *testing.T) {
	t.Parallel()
	old := wide()
	in := batch(old)
	in.AppendRow(wideRow(old))
	v, err := newLayout(old).appendRow(nil, in, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := wide()
	now.Version = 9
	now.Columns = append(now.Columns[:5:5], now.Columns[7:]...) // two columns dropped
	now.Columns = append(now.Columns,
		schema.Column{ID: 200, Name: "added", Type: types.TextType},
		schema.Column{ID: 201, Name: "not null", Type: types.DecimalType(20, 2), NotNull: true},
		schema.Column{ID: 202, Name: "with default", Type: types.Int64Type, Initial: "7"})
	n := len(now.Columns)
	b, err := decodeRows(now, []int{6, n - 3, n - 2, 4}, v, v)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		equal(t, "row", showRow(b.Row(i, nil)), `"text" NULL "0.00" 4294967295`)
	}
	if _, err := decodeRows(now, []int{n - 1}, v); !errors.Is(err, sqlerr.Internal) {
		t.Errorf("value of older rows: %v", err)
	}
}

func TestRowOutOfRange(t *testing.T) {
	t.Parallel()
	tab := wide()
	for c, v := range map[int]types.Value{1: types.NewInt(128), 2: types.NewUint(65536), 10: types.NewInt(1), 14: types.NewInt(1 << 31)} {
		row := wideRow(tab)
		row[c] = v
		in := batch(tab)
		in.AppendRow(row)
		_, err := newLayout(tab).appendRow(nil, in, 0, 0)
		if e := sqlerr.As(err); e == nil || e.Kind != sqlerr.Internal || e.Column != tab.Columns[c].Name {
			t.Errorf("column %d: %v", c, err)
		}
	}
}

// TestRowAllocations checks that reading rows allocates by batch, not by row.
func TestRowAllocations(t *testing.T) {
	tab := wide()
	l := newLayout(tab)
	in := batch(tab)
	var rows [][]byte
	for i := range types.BatchRows {
		in.AppendRow(wideRow(tab))
		v, err := l.appendRow(nil, in, i, 0)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, v)
	}
	columns := []int{1, 7, 8, 16}
	d := rowDecoder{l: l, values: zeroValues{}}
	for i, c := range columns {
		d.add(c, i)
	}
	b := types.NewBatch(typesOf(tab, columns))
	n := testing.AllocsPerRun(10, func() {
		b.Reset()
		if err := d.decode(make([][]byte, len(rows)), rows, b.Columns); err != nil {
			t.Fatal(err)
		}
	})
	if n > 4 {
		t.Errorf("%v allocations for %d rows", n, len(rows))
	}
}

// FuzzRow checks that damaged rows are errors.
func FuzzRow(f *testing.F) {
	tab := wide()
	in := batch(tab)
	in.AppendRow(wideRow(tab))
	in.AppendRow(make([]types.Value, len(tab.Columns)))
	for i := range in.Len {
		v, err := newLayout(tab).appendRow(nil, in, i, 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(v)
		f.Add(v[:len(v)/2])
	}
	columns := []int{}
	for c := 1; c < len(tab.Columns); c++ {
		columns = append(columns, c)
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		b, err := decodeRows(tab, columns, row, row)
		if err != nil {
			return
		}
		for _, c := range b.Columns {
			if c.Len() != 2 {
				t.Fatalf("%d values of 2 rows", c.Len())
			}
			c.Value(1)
		}
		rowUpdated(row)
	})
}
