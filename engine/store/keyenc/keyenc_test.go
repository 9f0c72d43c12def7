package keyenc

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/colldata"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// column is a type, how to make values of it, and how they compare.
type column struct {
	name    string
	t       types.Type
	make    func(r *rand.Rand) types.Value
	compare func(a, b types.Value) int
}

func sized(k types.Kind, size int) types.Type {
	return types.Type{Kind: k, Size: size, Collation: collations.CollationBinaryID}
}

func columns() []column {
	signed := func(a, b types.Value) int { return cmp.Compare(a.Int(), b.Int()) }
	unsigned := func(a, b types.Value) int { return cmp.Compare(a.Uint(), b.Uint()) }
	raw := func(a, b types.Value) int { return bytes.Compare(a.Bytes(), b.Bytes()) }
	anyInt := func(r *rand.Rand) types.Value { return types.NewInt(randomInt(r)) }
	anyUint := func(r *rand.Rand) types.Value { return types.NewUint(uint64(randomInt(r))) }
	anyBytes := func(r *rand.Rand) types.Value { return types.NewBytes(randomBytes(r)) }
	all := []column{
		{"bigint", types.Int64Type, anyInt, signed},
		{"datetime", types.Type{Kind: types.DateTime, Scale: 6}, anyInt, signed},
		{"decimal(18,4)", types.DecimalType(18, 4), anyInt, signed},
		{"bigint unsigned", types.Uint64Type, anyUint, unsigned},
		{"bit", sized(types.Bit, 64), anyUint, unsigned},
		{"enum", types.Type{Kind: types.Enum, Members: &types.Members{}}, anyUint, unsigned},
		{"set", types.Type{Kind: types.Set, Members: &types.Members{}}, anyUint, unsigned},
		{"double", types.Float64Type, func(r *rand.Rand) types.Value { return types.NewFloat(randomFloat(r)) },
			func(a, b types.Value) int {
				x, y := a.Float(), b.Float()
				if math.IsNaN(x) || math.IsNaN(y) { // last
					return btoi(math.IsNaN(x)) - btoi(math.IsNaN(y))
				}
				return cmp.Compare(x, y)
			}},
		{"decimal(65,30)", types.DecimalType(65, 30), func(r *rand.Rand) types.Value { return randomDecimal(r, 35, 30) },
			func(a, b types.Value) int { return number(a).Cmp(number(b)) }},
		{"decimal(20,0)", types.DecimalType(20, 0), func(r *rand.Rand) types.Value { return randomDecimal(r, 20, 0) },
			func(a, b types.Value) int { return number(a).Cmp(number(b)) }},
		{"blob", types.BytesType, anyBytes, raw},
		{"text", types.TextType, anyBytes, raw},
		{"uuid", sized(types.UUID, -1), func(r *rand.Rand) types.Value {
			b := make([]byte, 16)
			for i := range b {
				b[i] = byte(r.IntN(3)) * 0x7f
			}
			return types.NewBytes(b)
		}, raw},
	}
	// utf8mb4_0900_ai_ci, latin1_swedish_ci, utf8mb4_general_ci, utf8mb4_unicode_ci, utf8mb4_0900_as_cs, utf8mb4_0900_bin
	for _, id := range []collations.ID{255, 8, 45, 224, 278, 309} {
		c := colldata.Lookup(id)
		all = append(all, column{c.Name(), types.Type{Kind: types.VarChar, Size: 50, Collation: id},
			func(r *rand.Rand) types.Value { return types.NewString(randomText(r)) },
			func(a, b types.Value) int {
				x, y := a.Bytes(), b.Bytes()
				if id < 255 { // spaces at the end do not count
					x, y = bytes.TrimRight(x, " "), bytes.TrimRight(y, " ")
				}
				return cmp.Compare(c.Collate(x, y, false), 0)
			}})
	}
	return all
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func number(v types.Value) *big.Rat {
	n, ok := new(big.Rat).SetString(string(v.Bytes()))
	if !ok {
		panic(string(v.Bytes()))
	}
	return n
}

func randomInt(r *rand.Rand) int64 {
	edges := []int64{0, 1, -1, 255, 256, -256, math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32}
	if r.IntN(3) == 0 {
		return edges[r.IntN(len(edges))]
	}
	return int64(r.Uint64() >> r.IntN(64) * uint64(1-2*r.IntN(2)))
}

func randomFloat(r *rand.Rand) float64 {
	edges := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64,
		-math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 1, -1}
	switch r.IntN(3) {
	case 0:
		return edges[r.IntN(len(edges))]
	case 1:
		return math.Float64frombits(r.Uint64())
	}
	return float64(r.IntN(2000)-1000) / 16
}

// randomBytes prefers the bytes that escaping is about, and common prefixes.
func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(6))
	for i := range b {
		b[i] = []byte{0, 1, 2, 'a', 0xfe, 0xff}[r.IntN(6)]
	}
	return b
}

func randomText(r *rand.Rand) string {
	letters := []rune("aAbBäÄß ée\u0301z漢")
	var s strings.Builder
	for range r.IntN(5) {
		s.WriteRune(letters[r.IntN(len(letters))])
	}
	return s.String()
}

func randomDecimal(r *rand.Rand, whole, scale int) types.Value {
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0019"[r.IntN(4)]
		}
		return string(b)
	}
	s := strings.TrimLeft(digits(r.IntN(whole+1)), "0")
	if s == "" {
		s = "0"
	}
	if scale > 0 {
		n := r.IntN(scale + 1)
		s += "." + digits(n) + strings.Repeat("0", scale-n)
	}
	if r.IntN(2) == 0 && strings.Trim(s, "0.") != "" {
		s = "-" + s
	}
	return types.NewString(s)
}

func encode(t *testing.T, dst []byte, ty types.Type, v types.Value) []byte {
	t.Helper()
	key, err := Append(dst, ty, v)
	if err != nil {
		t.Fatalf("%v of %v: %v", v, ty, err)
	}
	return key
}

// TestOrder checks that keys of two columns compare as their values do.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, c := range columns() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			one := func() types.Value {
				if r.IntN(8) == 0 {
					return types.Value{}
				}
				return c.make(r)
			}
			compare := func(a, b types.Value) int {
				if a.IsNull() || b.IsNull() {
					return btoi(b.IsNull()) - btoi(a.IsNull())
				}
				return c.compare(a, b)
			}
			for range 5000 {
				a, b, a2, b2 := one(), one(), one(), one()
				want := compare(a, b)
				if want == 0 {
					want = compare(a2, b2)
				}
				ka, kb := encode(t, nil, c.t, a), encode(t, nil, c.t, b)
				if r.IntN(2) == 0 { // the first descends
					Flip(ka)
					Flip(kb)
					if x := compare(a, b); x != 0 {
						want = -x
					}
				}
				ka, kb = encode(t, ka, c.t, a2), encode(t, kb, c.t, b2)
				if got := bytes.Compare(ka, kb); got != want {
					t.Fatalf("(%v,%v) and (%v,%v) compare %d as keys %x and %x, want %d", a, a2, b, b2, got, ka, kb, want)
				}
			}
		})
	}
}

// TestRoundTrip checks Decode, Skip and AppendFrom against Append.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range columns() {
		r := rand.New(rand.NewPCG(3, 4))
		for range 1000 {
			v := types.Value{}
			if r.IntN(8) > 0 {
				v = c.make(r)
			}
			vec := types.NewVector(c.t, 1)
			vec.AppendValue(v)
			key := encode(t, nil, c.t, v)
			again, err := AppendFrom(nil, vec, 0)
			if err != nil || !bytes.Equal(key, again) {
				t.Fatalf("%s: AppendFrom gives %x, %v, want %x", c.name, again, err, key)
			}
			tail := []byte{0, 1, 0xff}
			key = append(key, tail...)
			if rest, err := Skip(key, c.t); err != nil || !bytes.Equal(rest, tail) {
				t.Fatalf("%s: Skip leaves %x, %v", c.name, rest, err)
			}
			desc := encode(t, nil, c.t, v)
			Flip(desc)
			desc = append(desc, tail...)
			if rest, err := SkipDesc(desc, c.t); err != nil || !bytes.Equal(rest, tail) {
				t.Fatalf("%s: SkipDesc leaves %x, %v", c.name, rest, err)
			}
			if c.t.LossyKey() {
				continue
			}
			got := types.NewVector(c.t, 2)
			rest, err := DecodeDesc(desc, got)
			if err != nil || !bytes.Equal(rest, tail) || got.IsNull(0) != v.IsNull() || !v.IsNull() && c.compare(v, got.Value(0)) != 0 {
				t.Fatalf("%s: DecodeDesc of %v leaves %x, %v", c.name, v, rest, err)
			}
			got.Reset(c.t)
			rest, err = Decode(key, got)
			if err != nil || !bytes.Equal(rest, tail) || got.IsNull(0) != v.IsNull() {
				t.Fatalf("%s: Decode leaves %x, %v", c.name, rest, err)
			}
			if !v.IsNull() && c.compare(v, got.Value(0)) != 0 {
				t.Fatalf("%s: %v comes back as %v", c.name, v, got.Value(0))
			}
			if c.t.Physical() == types.PhysBytes && !bytes.Equal(v.Bytes(), got.Value(0).Bytes()) {
				t.Fatalf("%s: %q comes back as %q", c.name, v.Bytes(), got.Value(0).Bytes())
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		t    types.Type
		v    types.Value
		want *sqlerr.Kind
	}{
		{"JSON", types.JSONType, types.NewString("1"), sqlerr.NotSupported},
		{"another form", types.Int64Type, types.NewFloat(1), sqlerr.Internal},
		{"short UUID", sized(types.UUID, -1), types.NewString("x"), sqlerr.Internal},
		{"no decimal", types.DecimalType(30, 2), types.NewString("1x.00"), sqlerr.Internal},
		{"empty decimal", types.DecimalType(30, 2), types.NewString("-"), sqlerr.Internal},
		{"unknown collation", types.Type{Kind: types.Text, Collation: 2000}, types.NewString("a"), sqlerr.NotSupported},
	} {
		if _, err := Append(nil, test.t, test.v); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

func TestSuccessor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		prefix, want string
		ok           bool
	}{
		{"a", "b", true}, {"a\xff\xff", "b", true}, {"\x00", "\x01", true}, {"\xff", "", false}, {"", "", false},
	} {
		got, ok := AppendSuccessor([]byte("x"), []byte(test.prefix))
		if string(got) != "x"+test.want || ok != test.ok {
			t.Errorf("successor of %q: %q, %v", test.prefix, got, ok)
		}
	}
}

// FuzzUsers checks that no user's prefix holds another's keys.
func FuzzUsers(f *testing.F) {
	for _, s := range []string{"", "\x00", "\x00\x01", "\xff", "\x00\xff", "a", "a\x00", "a\x00\x01"} {
		f.Add([]byte(s), []byte("a"), []byte{0})
		f.Add([]byte(""), []byte(s), []byte{0xff, 0xff})
	}
	f.Fuzz(func(t *testing.T, a, b, key []byte) {
		pa, pb := AppendBytes(nil, a), AppendBytes(nil, b)
		if tail := escapeTail(append([]byte("x"), a...), 1); string(tail) != "x"+string(pa) {
			t.Fatalf("%q escaped in place is %x, want %x", a, tail, pa)
		}
		if c := bytes.Compare(pa, pb); c != bytes.Compare(a, b) {
			t.Fatalf("%q and %q compare %d", a, b, c)
		}
		if bytes.Equal(a, b) {
			return
		}
		k := append(pb, key...)
		end, ok := AppendSuccessor(nil, pa)
		if !ok {
			t.Fatalf("prefix of %q has no successor", a)
		}
		if bytes.Compare(k, pa) >= 0 && bytes.Compare(k, end) < 0 {
			t.Fatalf("key %x of user %q is among user %q's", k, b, a)
		}
	})
}

// FuzzDecode checks that what Decode takes, Skip takes too, and that nothing
// panics.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 0x83, 0x12, 0x20, 0x00, 9})
	f.Add([]byte{1, 0x7c, 0xed, 0xdf, 0xff})
	f.Add([]byte{1, 'a', 0, 0xff, 'b', 0, 1})
	f.Add([]byte{1, 'a', 0, 2})
	f.Add([]byte{0})
	all := columns()
	f.Fuzz(func(t *testing.T, key []byte) {
		for _, c := range all {
			after, skipErr := Skip(key, c.t)
			if c.t.LossyKey() {
				continue
			}
			v := types.NewVector(c.t, 1)
			rest, err := Decode(key, v)
			if err != nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("%s: %v", c.name, err)
				}
				continue
			}
			if skipErr != nil || !bytes.Equal(rest, after) {
				t.Fatalf("%s: Decode leaves %x, Skip %x, %v", c.name, rest, after, skipErr)
			}
		}
	})
}
