package types

import "testing"

// BenchmarkVectors measures the loops that every row goes through, 1,024 rows each.
func BenchmarkVectors(b *testing.B) {
	ints, text := NewVector(Int64Type, BatchRows), NewVector(TextType, BatchRows)
	for i := range BatchRows {
		ints.AppendInt(int64(i))
		text.AppendBytes([]byte("a short text")[:i%12])
	}
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	for _, v := range []*Vector{ints, text} {
		name := v.Type.Name()
		var key []byte
		run("key/"+name, func() {
			key = key[:0]
			for i := range v.Len() {
				key = AppendGroupKey(key, v, i)
			}
		})
		to := &Target{Type: Type{Kind: Int, Size: -1, Collation: Int64Type.Collation}, Column: "c", Row: 1}
		if v == text {
			to.Type = Type{Kind: VarChar, Size: 20, Collation: DefaultCollation}
		}
		dst := NewVector(to.Type, BatchRows)
		run("assign/"+name, func() {
			if _, err := AssignVector(to, v, dst); err != nil {
				b.Fatal(err)
			}
		})
	}
}
