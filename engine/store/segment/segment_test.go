package segment

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/types"
)

var update = flag.Bool("update", false, "write golden files")

var encodingNames = [...]string{"plain", "packed", "delta", "runs", "dict", "single", "scaled"}

// encodingOf returns the name of the encoding that a block of values has.
func encodingOf(block []byte) string {
	r := reader{rest: block[2:]}
	n := r.number(MaxRows)
	switch r.byte() {
	case allNulls:
		return "nulls"
	case someNulls:
		r.take((n + 7) / 8)
	}
	return encodingNames[r.byte()]
}

func ints(n int, f func(i int) int64) *types.Vector {
	v := types.NewVector(types.Int64Type, n)
	for i := range n {
		v.AppendInt(f(i))
	}
	return v
}

func floats(n int, f func(i int) float64) *types.Vector {
	v := types.NewVector(types.Float64Type, n)
	for i := range n {
		v.AppendFloat(f(i))
	}
	return v
}

func texts(n int, f func(i int) string) *types.Vector {
	v := types.NewVector(types.TextType, n)
	for i := range n {
		v.AppendBytes([]byte(f(i)))
	}
	return v
}

// withNulls makes every third value NULL.
func withNulls(v *types.Vector) *types.Vector {
	w := types.NewVector(v.Type, v.Len())
	for i := range v.Len() {
		if i%3 == 1 {
			w.AppendNull()
		} else {
			w.AppendFrom(v, i)
		}
	}
	return w
}

// columns are vectors that call for each of the encodings.
func columns() []struct {
	name string
	v    *types.Vector
} {
	r := rand.New(rand.NewPCG(1, 2))
	type column = struct {
		name string
		v    *types.Vector
	}
	unsigned := types.NewVector(types.Uint64Type, 100)
	for range 100 {
		unsigned.AppendUint(math.MaxUint64 - r.Uint64N(9))
	}
	sparse := []int64{math.MinInt64, -1, 77, 1 << 40, math.MaxInt64}
	nulls := types.NewVector(types.TextType, 20)
	for range 20 {
		nulls.AppendNull()
	}
	list := []column{
		{"no rows", ints(0, nil)},
		{"no texts", texts(0, nil)},
		{"one", ints(1, func(int) int64 { return -5 })},
		{"one text", texts(1, func(int) string { return "x" })},
		{"sequence", ints(1000, func(i int) int64 { return int64(i) - 500 })},
		{"rising", ints(1000, func(i int) int64 { return int64(i)*1000 + r.Int64N(20) })},
		{"same", ints(1000, func(i int) int64 { return 7 })},
		{"small", ints(1000, func(i int) int64 { return r.Int64N(100) - 50 })},
		{"all bits", ints(100, func(i int) int64 { return int64(r.Uint64()) })},
		{"60 bits", ints(100, func(i int) int64 { return int64(r.Uint64() >> 4) })},
		{"runs", ints(1000, func(i int) int64 { return int64(i/100) * 1e15 })},
		{"few values", ints(1000, func(i int) int64 { return sparse[r.IntN(len(sparse))] })},
		{"unsigned", unsigned},
		{"prices", floats(500, func(i int) float64 { return float64(r.IntN(100000)) / 100 })},
		{"singles", floats(500, func(i int) float64 { return float64(r.Float32()) })},
		{"doubles", floats(500, func(i int) float64 { return r.Float64() })},
		{"odd floats", floats(8, func(i int) float64 {
			return []float64{math.Copysign(0, -1), 0, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1, -1}[i]
		})},
		{"float runs", floats(500, func(i int) float64 { return float64(i/50) / 3 })},
		{"few floats", floats(500, func(i int) float64 { return float64(r.IntN(5)) / 3 })},
		{"few texts", texts(500, func(i int) string { return []string{"", "open", "closed"}[r.IntN(3)] })},
		{"texts", texts(300, func(i int) string { return fmt.Sprint("text ", i, strings.Repeat("\x00é", r.IntN(4))) })},
		{"long texts", texts(60, func(i int) string { return strings.Repeat(fmt.Sprint("again ", i%7, " and "), 1+i) })},
		{"few long texts", texts(90, func(i int) string { return strings.Repeat("word ", 50+i%3) })},
		{"random texts", texts(20, func(int) string { return strconv.FormatUint(r.Uint64(), 36) })},
		{"letters", texts(300, func(i int) string { return string("ANR"[r.IntN(3)]) })},
		{"nulls", nulls},
	}
	for _, c := range list {
		if c.v.Len() > 10 && c.name != "nulls" {
			list = append(list, column{c.name + ", some NULL", withNulls(c.v)})
		}
	}
	return list
}

func show(v *types.Vector) []string {
	out := make([]string, v.Len())
	for i := range out {
		out[i] = showValue(v.Value(i))
	}
	return out
}

func showValue(x types.Value) string {
	switch x.Physical() {
	case types.PhysNull:
		return "NULL"
	case types.PhysInt64:
		return fmt.Sprint(x.Int())
	case types.PhysUint64:
		return fmt.Sprint(x.Uint())
	case types.PhysFloat64:
		return fmt.Sprintf("%x", math.Float64bits(x.Float()))
	}
	return fmt.Sprintf("%q", x.Bytes())
}

// TestGolden compares blocks with those of testdata: what is on disk must stay readable.
func TestGolden(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, c := range columns() {
		block, saved := appendBlock(nil, c.v, newStringDictionary(c.v))
		least, most := Bounds(c.v)
		b := types.NewVector(c.v.Type, 2)
		b.AppendValue(least)
		b.AppendValue(most)
		size := fmt.Sprint(len(block), " bytes")
		if saved > 0 {
			size = "compressed" // to what differs between processors
		}
		fmt.Fprintf(&got, "%s: %d rows, %s, %s, bounds %s\n", c.name, c.v.Len(), encodingOf(block), size, strings.Join(show(b), " "))
		if len(block) < 150 && saved == 0 {
			fmt.Fprintf(&got, "  %s\n", hex.EncodeToString(block))
		}
	}
	file := filepath.Join("testdata", "blocks.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Error(d)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	v := map[types.Physical]*types.Vector{} // used again and again
	for _, c := range columns() {
		block := Append(nil, c.v)
		used[encodingOf(block)] = true
		p := c.v.Type.Physical()
		if v[p] == nil {
			v[p] = &types.Vector{}
		}
		got := v[p]
		got.Type = c.v.Type
		if err := Decode(block, got, c.v.Len()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(show(c.v), show(got)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		checkParts(t, c.name, block, c.v)
		if err := Decode(block, got, c.v.Len()+1); err == nil {
			t.Errorf("%s: decoded with a wrong number of rows", c.name)
		}
		for i := range block {
			bad := bytes.Clone(block)
			bad[i] ^= 0x10
			if err := Decode(bad, got, c.v.Len()); err == nil {
				t.Fatalf("%s: decoded with byte %d changed", c.name, i)
			}
		}
	}
	for _, name := range encodingNames {
		if !used[name] {
			t.Errorf("no column was encoded as %s", name)
		}
	}
}

// checkParts compares what is read of some values of v's block with v.
func checkParts(t *testing.T, name string, block []byte, v *types.Vector) {
	t.Helper()
	b, err := Open(block, v.Type.Physical(), v.Len())
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	n := v.Len()
	got, want := types.NewVector(v.Type, 0), types.NewVector(v.Type, 0)
	for i := range n {
		if got, want := b.Value(i), v.Value(i); got.Physical() != want.Physical() || showValue(got) != showValue(want) {
			t.Errorf("%s: value %d is %s, not %s", name, i, showValue(got), showValue(want))
		}
		if x := v.Value(i); x.Physical() == types.PhysInt64 && uint64(x.Int()) != b.Integer(i) || x.Physical() == types.PhysUint64 && x.Uint() != b.Integer(i) {
			t.Errorf("%s: value %d is %d", name, i, b.Integer(i))
		}
		if i%7 == 0 {
			b.Append(got, i, i+1, false)
			want.AppendRange(v, i, i+1, false)
		}
		if i%31 == 0 {
			to := min(n, i+i%97)
			b.Append(got, i, to, i%2 == 0)
			want.AppendRange(v, i, to, i%2 == 0)
		}
	}
	if d := cmp.Diff(show(want), show(got)); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

func TestRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		n, span := 1+r.IntN(3000), uint64(1)<<r.IntN(64)
		base, sorted, last := r.Uint64(), r.IntN(2) == 0, uint64(0)
		v := types.NewVector(types.Uint64Type, n)
		for range n {
			if last += r.Uint64N(span); !sorted {
				last = r.Uint64N(span)
			}
			if r.IntN(50) == 0 && span&1 == 0 {
				v.AppendNull()
			} else {
				v.AppendUint(base + last)
			}
		}
		checkParts(t, "random", Append(nil, v), v)
		var got types.Vector
		got.Type = v.Type
		if err := Decode(Append(nil, v), &got, n); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(show(v), show(&got)); d != "" {
			t.Fatal(d)
		}
	}
}

// Decode replaces v's values by those of a block, whose physical form must be that of
// v's type, and which must have rows values. v's memory is used where it is large enough.
func Decode(block []byte, v *types.Vector, rows int) error {
	v.Reset(v.Type)
	b, err := Open(block, v.Type.Physical(), rows)
	if err != nil {
		return err
	}
	b.Append(v, 0, rows, false)
	return nil
}

func TestPages(t *testing.T) {
	t.Parallel()
	const rows, page = 1000, 1 << 10
	mixed := func(i int) string { return strings.Repeat(fmt.Sprint(i, "."), i%40) }
	some := types.NewVector(types.BytesType, rows)
	for i := range rows {
		if i%3 == 0 {
			some.AppendNull()
		} else {
			some.AppendBytes([]byte(mixed(i)))
		}
	}
	numbers := types.NewVector(types.Int64Type, rows)
	for i := range rows {
		numbers.AppendInt(int64(i) * 0x123456789abcd)
	}
	for _, test := range []struct {
		name string
		v    *types.Vector
		most int // blocks
		many bool
	}{
		{"different texts", texts(rows, mixed), 200, true},
		{"and NULLs", some, 200, true},
		{"part of a vector", texts(3*rows, mixed).Slice(rows, 2*rows), 200, true},
		{"few short texts of a long vector", texts(rows, func(i int) string { return fmt.Sprint(i) }).Slice(500, 510), 1, false},
		{"few texts, again and again", texts(rows, func(i int) string { return mixed(i % 5) }), 1, false},
		{"many, twice each", texts(rows, func(i int) string { return fmt.Sprintf("%030d", i%450) }), 200, true},
		{"huge texts", texts(3, func(i int) string { return strings.Repeat(fmt.Sprint(i), 5000) }), 3, true},
		{"numbers", numbers, 1, false},
		{"nothing", texts(0, mixed), 1, false},
	} {
		out, per, ends := AppendPages([]byte("before"), test.v, page)
		n := test.v.Len()
		if len(ends) > test.most || len(ends) > 1 != test.many || (per > 0) != test.many || ends[len(ends)-1] != len(out) {
			t.Errorf("%s: %d blocks of %d rows, to %d of %d", test.name, len(ends), per, ends[len(ends)-1], len(out))
			continue
		}
		got, start := types.NewVector(test.v.Type, n), len("before")
		for i, end := range ends {
			part := n
			if per > 0 {
				part = min(per, n-i*per)
			}
			b, err := Open(out[start:end], test.v.Type.Physical(), part)
			if err != nil {
				t.Fatalf("%s: block %d: %v", test.name, i, err)
			}
			b.Append(got, 0, part, false)
			start = end
		}
		for i := range n {
			if want, got := test.v.Value(i), got.Value(i); !cmp.Equal(want, got, cmp.AllowUnexported(types.Value{})) {
				t.Errorf("%s: value %d is %v, want %v", test.name, i, got, want)
			}
		}
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	rec := &Record{Version: 3, Rows: 1000, Last: []byte("last")}
	paged := 0
	for i, c := range columns() {
		least, most := Bounds(c.v)
		page := 0
		if c.v.Type.Physical() == types.PhysBytes {
			page, paged = 300, i
		}
		rec.Columns = append(rec.Columns, Column{ID: uint32(i * 7), Kept: byte(i % 6), Phys: c.v.Type.Physical(),
			Nulls: Nulls(c.v), Size: 100 + i, Page: page, Min: least, Max: most})
	}
	if n, last := rec.Blocks(paged), rec.BlockRows(paged, 3); n != 4 || last != 100 {
		t.Errorf("%d blocks, the last of %d rows", n, last)
	}
	if n, last := rec.Blocks(0), rec.BlockRows(0, 0); n != 1 || last != 1000 {
		t.Errorf("%d blocks, the last of %d rows", n, last)
	}
	b := rec.Append(nil)
	got, err := ParseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rec, got, cmp.AllowUnexported(types.Value{})); d != "" {
		t.Error(d)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		if _, err := ParseRecord(bad); err == nil {
			t.Errorf("parsed with byte %d changed", i)
		}
	}
}

// TestFirstRecord reads a record of the format that had one block a column.
func TestFirstRecord(t *testing.T) {
	t.Parallel()
	rec := &Record{Version: 3, Rows: 1000, Last: []byte("last"), Columns: []Column{{ID: 7, Size: 90}}}
	b := rec.Append(nil)
	b = b[:len(b)-checksumBytes]
	b[0] = 1
	b = append(b[:len(b)-2], b[len(b)-1]) // without Page
	got, err := ParseRecord(appendChecksum(b, 0))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rec, got, cmp.AllowUnexported(types.Value{})); d != "" {
		t.Error(d)
	}
	rec.Columns[0].Page = 10 // of numbers
	if _, err := ParseRecord(rec.Append(nil)); err == nil {
		t.Error("numbers in pages were read")
	}
	b[0] = recordFormat + 1
	if _, err := ParseRecord(appendChecksum(b, 0)); err == nil {
		t.Error("a newer format was read")
	}
}

// TestFirstBlock reads blocks of the format that compressed nothing.
func TestFirstBlock(t *testing.T) {
	t.Parallel()
	v := texts(3, func(i int) string { return []string{"a", "", "bc"}[i] })
	head := []byte{1, byte(types.PhysBytes), 3, noNulls}
	strings := appendIntegers([]byte{3}, []uint64{1, 0, 2}, false, false)
	strings = append(strings, "abc"...)
	coded := append(slices.Concat(head, []byte{dict, 3}), strings...)
	for _, b := range [][]byte{append(slices.Concat(head, []byte{plain}), strings...), appendIntegers(coded, []uint64{0, 1, 2}, false, false)} {
		checkParts(t, "format 1", appendChecksum(b, 0), v)
		b[0] = blockFormat + 1
		if _, err := Open(appendChecksum(b[:len(b):len(b)], 0), types.PhysBytes, 3); err == nil {
			t.Error("a newer format was read")
		}
	}
}

// TestCompressed looks at what is compressed, and changes it.
func TestCompressed(t *testing.T) {
	t.Parallel()
	v := texts(1000, func(i int) string { return fmt.Sprint("a text that repeats, with number ", i) })
	raw := len(v.Data)
	block := Append(nil, v)
	b, err := Open(block, types.PhysBytes, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(block) > raw/2 || b.Bytes() < raw || b.Bytes() > 2*raw {
		t.Errorf("%d bytes of text are a block of %d, open %d", raw, len(block), b.Bytes())
	}
	// Both what texts take together, and what S2 says that they do, has to be right.
	at := bytes.Index(block, binary.AppendUvarint(nil, uint64(raw)))
	for _, change := range []func(b []byte){
		func(b []byte) { b[at]++ },
		func(b []byte) { b[at]-- },
		func(b []byte) { b[len(b)-100] ^= 0xff },
	} {
		bad := bytes.Clone(block[:len(block)-checksumBytes])
		change(bad)
		var got types.Vector
		got.Type = types.TextType
		if err := Decode(appendChecksum(bad, 0), &got, 1000); err == nil && cmp.Equal(show(v), show(&got)) {
			t.Error("a change has no effect")
		}
	}
	const made = "02045a000403fd0501fa0000000000000004500a00000000000000000e000000fd0510776f72642011051900ec01010000000000000000022449922449922449922449922449922449922449922409000000000000000006439f15"
	stored, err := hex.DecodeString(made)
	if err != nil {
		t.Fatal(err)
	}
	checkParts(t, "compressed once", stored, texts(90, func(i int) string { return strings.Repeat("word ", 50+i%3) }))
	short := appendChecksum(bytes.Clone(block[:len(block)-checksumBytes-1]), 0)
	if _, err := Open(short, types.PhysBytes, 1000); err == nil {
		t.Error("a block without its last byte was read")
	}
}

func TestLongBounds(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 40)
	least, most := Bounds(texts(2, func(i int) string { return long + fmt.Sprint(i) }))
	if !(string(least.Bytes()) <= long+"0") || !(string(most.Bytes()) >= long+"1") || len(most.Bytes()) > maxBound {
		t.Errorf("bounds %q, %q", least.Bytes(), most.Bytes())
	}
	if _, most := Bounds(texts(1, func(int) string { return strings.Repeat("\xff", 40) })); !most.IsNull() {
		t.Errorf("bound %q of what has no successor", most.Bytes())
	}
}

// FuzzDecode lets decoders read bytes that no encoder wrote, under a right checksum.
func FuzzDecode(f *testing.F) {
	for _, c := range columns() {
		b := Append(nil, c.v)
		f.Add(b[:len(b)-checksumBytes], c.v.Len())
	}
	f.Fuzz(func(t *testing.T, b []byte, rows int) {
		block := appendChecksum(bytes.Clone(b), 0)
		for _, typ := range []types.Type{types.Int64Type, types.Uint64Type, types.Float64Type, types.TextType} {
			v := types.Vector{Type: typ}
			if Decode(block, &v, rows) != nil {
				continue
			}
			checkParts(t, "fuzzed", block, &v)
			// What can be read can be written, and is the same then.
			var again types.Vector
			again.Type = typ
			if err := Decode(Append(nil, &v), &again, rows); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(show(&v), show(&again)); d != "" {
				t.Fatal(d)
			}
		}
		_, _ = ParseRecord(block)
	})
}

func BenchmarkDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 16384
	for _, c := range []struct {
		name string
		v    *types.Vector
	}{
		{"packed", ints(n, func(int) int64 { return r.Int64N(1000) })},
		{"sequence", ints(n, func(i int) int64 { return int64(i) })},
		{"scaled", floats(n, func(i int) float64 { return float64(r.IntN(100000)) / 100 })},
		{"doubles", floats(n, func(i int) float64 { return r.Float64() })},
		{"dict", texts(n, func(int) string { return []string{"open", "closed"}[r.IntN(2)] })},
		{"texts", texts(n, func(i int) string { return fmt.Sprint("some text ", r.IntN(1e9)) })},
	} {
		b.Run(c.name, func(b *testing.B) {
			block := Append(nil, c.v)
			v := types.Vector{Type: c.v.Type}
			b.ReportMetric(float64(len(block))/n, "bytes/row")
			b.ReportAllocs()
			for b.Loop() {
				if err := Decode(block, &v, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppend reads open blocks a batch at a time.
func BenchmarkAppend(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 16384
	last := int64(0)
	for _, c := range []struct {
		name string
		v    *types.Vector
	}{
		{"3 bits", ints(n, func(int) int64 { return r.Int64N(1 << 3) })},
		{"14 bits", ints(n, func(int) int64 { return r.Int64N(1 << 14) })},
		{"24 bits", ints(n, func(int) int64 { return r.Int64N(1 << 24) })},
		{"40 bits", ints(n, func(int) int64 { return r.Int64N(1 << 40) })},
		{"rising", ints(n, func(int) int64 { last += r.Int64N(3); return last })},
		{"dates", ints(n, func(int) int64 { return types.PackDate(1992+r.IntN(7), 1+r.IntN(12), 1+r.IntN(28)) })},
		{"flags", texts(n, func(int) string { return []string{"A", "N", "R"}[r.IntN(3)] })},
		{"words", texts(n, func(int) string { return []string{"TRUCK", "MAIL", "REG AIR"}[r.IntN(3)] })},
	} {
		b.Run(c.name, func(b *testing.B) {
			block, err := Open(Append(nil, c.v), c.v.Type.Physical(), n)
			if err != nil {
				b.Fatal(err)
			}
			v := types.NewVector(c.v.Type, types.BatchRows)
			for b.Loop() {
				for from := 0; from < n; from += types.BatchRows {
					v.Reset(v.Type)
					block.Append(v, from, from+types.BatchRows, false)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/value")
		})
	}
}
