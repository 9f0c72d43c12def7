package types

import (
	"bytes"
	"cmp"
	"math"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/colldata"
)

// Compare orders two values of one type: negative, 0 or positive. NULL is
// before all and equal to NULL; -0 equals 0; text follows its collation, ENUM
// its index and SET its bits. 'a' is 'a ' under collations older than UCA 9.0.0,
// except the default one.
func Compare(t Type, a, b Value) int {
	if a.phys == PhysNull || b.phys == PhysNull {
		return cmp.Compare(btoi(a.phys != PhysNull), btoi(b.phys != PhysNull))
	}
	switch a.phys {
	case PhysInt64:
		return cmp.Compare(a.Int(), b.Int())
	case PhysUint64:
		return cmp.Compare(a.bits, b.bits)
	case PhysFloat64:
		return cmp.Compare(a.Float(), b.Float())
	default:
		return compareBytes(t, a.data, b.data)
	}
}

// Equal reports whether Compare finds a and b equal, NULL equal to NULL.
func Equal(t Type, a, b Value) bool { return Compare(t, a, b) == 0 }

// CompareVec is Compare of value i of a and value j of b, vectors of one type.
func CompareVec(a *Vector, i int, b *Vector, j int) int {
	if an, bn := a.IsNull(i), b.IsNull(j); an || bn {
		return cmp.Compare(btoi(!an), btoi(!bn))
	}
	switch a.Type.Physical() {
	case PhysInt64:
		return cmp.Compare(a.Int64s[i], b.Int64s[j])
	case PhysUint64:
		return cmp.Compare(a.Uint64s[i], b.Uint64s[j])
	case PhysFloat64:
		return cmp.Compare(a.Float64s[i], b.Float64s[j])
	default:
		return compareBytes(a.Type, a.BytesAt(i), b.BytesAt(j))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compareBytes(t Type, a, b []byte) int {
	switch {
	case t.Kind == Decimal:
		return compareDecimalText(a, b)
	case t.Kind == JSON:
		return compareJSON(a, b)
	}
	if c, ok := t.Collator(); ok {
		return c.Compare(a, b)
	}
	return bytes.Compare(a, b)
}

// Collator orders text by a collation that is not bytes order.
type Collator struct {
	collation colldata.Collation
	pads      bool // spaces at the end of a text do not count
}

// Collator returns what orders t's values; ok is false where that is bytes order, or
// the collation is unknown.
func (t Type) Collator() (c Collator, ok bool) {
	if !t.LossyKey() {
		return Collator{}, false
	}
	// MySQL's NO PAD collations are those of UCA 9.0.0, from utf8mb4_0900_ai_ci on.
	c = Collator{colldata.Lookup(t.Collation), t.Collation < collations.CollationUtf8mb4ID}
	return c, c.collation != nil
}

func (c Collator) significant(b []byte) []byte {
	if c.pads {
		return bytes.TrimRight(b, " ")
	}
	return b
}

// Compare orders a and b: negative, 0 or positive.
func (c Collator) Compare(a, b []byte) int {
	return c.collation.Collate(c.significant(a), c.significant(b), false)
}

// Same reports whether a and b are equal, spaces at their ends counted.
func (c Collator) Same(a, b []byte) bool { return c.collation.Collate(a, b, false) == 0 }

// AppendWeight appends bytes that order as Compare does.
func (c Collator) AppendWeight(dst, b []byte) []byte {
	return c.collation.WeightString(dst, c.significant(b), 0)
}

// compareDecimalText compares decimals in text form, of any scales.
func compareDecimalText(a, b []byte) int {
	an, ai, af := splitDecimal(a)
	bn, bi, bf := splitDecimal(b)
	if an != bn {
		return btoi(bn) - btoi(an)
	}
	c := cmp.Compare(len(ai), len(bi))
	if c == 0 {
		c = bytes.Compare(ai, bi)
	}
	if c == 0 {
		c = bytes.Compare(af, bf)
	}
	if an {
		return -c
	}
	return c
}

// splitDecimal returns a decimal text's sign (false for zero), its integer digits without leading
// zeros and its fraction without trailing ones.
func splitDecimal(s []byte) (neg bool, integer, fraction []byte) {
	if len(s) > 0 && s[0] == '-' {
		neg, s = true, s[1:]
	}
	i, f, _ := bytes.Cut(s, []byte{'.'})
	i, f = bytes.TrimLeft(i, "0"), bytes.TrimRight(f, "0")
	return neg && len(i)+len(f) > 0, i, f
}

// normalBits are a float's bits with -0 as 0 and one NaN.
func normalBits(f float64) uint64 {
	switch {
	case f == 0:
		return 0
	case f != f:
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(f)
}
