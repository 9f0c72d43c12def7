package types

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// samples are values of many types, in text, with NULL added.
var samples = map[string][]string{
	"int":                                    {"0", "-1", "1", "2147483647", "-2147483648"},
	"bigint unsigned":                        {"0", "1", "18446744073709551615", "9223372036854775808"},
	"decimal(10,2)":                          {"0", "-0.01", "0.01", "99999999.99", "-99999999.99", "10", "9"},
	"decimal(40,5)":                          {"0", "-0.00001", "0.00001", "9", "10", "-9", "-10", "12345678901234567890123.5", "12345678901234567890123.50001"},
	"double":                                 {"0", "-0.0", "1e300", "-1e300", "1.5", "1e-300"},
	"float":                                  {"0", "-0.0", "1.1", "3e38"},
	"varchar(20)":                            {"", "a", "A", "a ", "ab", "ä", "ss", "ß", "😀", "a\x00b", "b"},
	"varchar(20) collate utf8mb4_0900_ai_ci": {"", "a", "A", "a ", "ab", "ä", "á", "Ä", "ss", "ß", "😀", "b", "a\x00b"},
	"varchar(20) collate utf8mb4_general_ci": {"", " ", "a", "A", "a ", "a  b", "ab", "ä", "á", "Ä", "s", "ß", "😀", "😁", "b"},
	"varchar(20) collate utf8mb4_unicode_ci": {"", " ", "a", "A", "a ", "a ", "ab", "ä", "á", "Ä", "ss", "ß", "b"},
	"varchar(20) collate utf8mb4_0900_as_cs": {"", "a", "A", "ä", "á", "Ä", "ab", "aB", "b"},
	"varbinary(20)":                          {"", "a", "a\x00", "\xff"},
	"datetime(6)":                            {"2026-01-31", "2026-01-31 00:00:00.000001", "1000-01-01", "9999-12-31 23:59:59.999999"},
	"time(6)":                                {"0", "-838:59:59", "838:59:59", "-0:00:00.000001"},
	"enum('b','a')":                          {"a", "b"},
	"set('b','a')":                           {"a", "b", "a,b", ""},
	"bit(10)":                                {"\x01", "\x02\x00"},
	"year":                                   {"2026", "1901"},
	"uuid":                                   {"6ccd780c-baba-1026-9564-5b8c656024db", "00000000-0000-0000-0000-000000000000"},
	"json": {"null", "1", "1.0", "-0.0", "0", "1e0", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "0.5", "true", "false",
		`"a"`, `"\u0061"`, `"a\n"`, `""`, "[]", "[1]", "[1.0]", "[1, 2]", "[2]", "[[1], 2]", "[[1, 2]]", "{}", `{"a": 1}`, `{"a": 1.0}`, `{"a": [1, {"b": ","}]}`, `{"b": 1, "a": 2}`, `["[", "{"]`},
}

// sampleVector returns the values of a type and NULL.
func sampleVector(t *testing.T, sql string) *Vector {
	t.Helper()
	ct := mustType(t, sql)
	v := NewVector(ct, 8)
	v.AppendNull()
	for _, s := range samples[sql] {
		from := TextType
		if ct.IsBinary() || ct.Kind == Bit {
			from = BytesType
		}
		x, err := Assign(&Target{Type: ct, Column: "c", Row: 1}, from, NewString(s))
		if err != nil {
			t.Fatalf("%s %q: %v", sql, s, err)
		}
		v.AppendValue(x)
	}
	return v
}

func TestOrderAndKeys(t *testing.T) {
	t.Parallel()
	for sql := range samples {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			v := sampleVector(t, sql)
			n := v.Len()
			for i := range n {
				for j := range n {
					c := CompareVec(v, i, v, j)
					if d := Compare(v.Type, v.Value(i), v.Value(j)); sign(d) != sign(c) {
						t.Errorf("%s, %s: CompareVec %d, Compare %d", show(v.Type, v.Value(i)), show(v.Type, v.Value(j)), c, d)
					}
					if sign(CompareVec(v, j, v, i)) != -sign(c) {
						t.Errorf("%s, %s: not antisymmetric", show(v.Type, v.Value(i)), show(v.Type, v.Value(j)))
					}
					same := bytes.Equal(AppendGroupKey(nil, v, i), AppendGroupKey(nil, v, j))
					if same != (c == 0) {
						t.Errorf("%s, %s: Compare %d, equal keys %v", show(v.Type, v.Value(i)), show(v.Type, v.Value(j)), c, same)
					}
					for k := range n {
						if c <= 0 && CompareVec(v, j, v, k) <= 0 && CompareVec(v, i, v, k) > 0 {
							t.Errorf("%d, %d, %d: not transitive", i, j, k)
						}
					}
				}
			}
		})
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

// TestRoundTrips checks that values come back from SQL literals, Go and storage in the catalogue.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	for sql := range samples {
		v := sampleVector(t, sql)
		ct := v.Type
		b, err := json.Marshal(ct)
		if err != nil {
			t.Fatal(err)
		}
		var back Type
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ct, back); diff != "" {
			t.Errorf("%s: %s", b, diff)
		}
		if again := mustType(t, ct.SQL()); again.Kind != ct.Kind || again.SQL() != ct.SQL() {
			t.Errorf("%s is printed as %s, which is %s", sql, ct.SQL(), again.SQL())
		}
		for i := range v.Len() {
			x := v.Value(i)
			from, g, err := FromGo(Go(ct, x, time.UTC), time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			y, err := Assign(&Target{Type: ct, Column: "c", Row: 1}, from, g)
			if err != nil || !Equal(ct, x, y) {
				t.Errorf("%s %s through Go: %s, %v", sql, show(ct, x), show(ct, y), err)
			}
		}
	}
}

func TestFloatTextReadsBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		f := math.Float64frombits(r.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		text := AppendText(nil, Float64Type, NewFloat(f))
		if g, err := strconv.ParseFloat(string(text), 64); err != nil || g != f {
			t.Fatalf("%v is printed as %s", f, text)
		}
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	loc := time.FixedZone("x", -9*3600-1800)
	r := rand.New(rand.NewPCG(3, 4))
	for range 2_000 {
		p := TimeToPacked(time.Unix(r.Int64N(4e9), r.Int64N(1e9)), 6)
		q := ConvertZone(p, time.UTC, loc)
		if back := ConvertZone(q, loc, time.UTC); back != p {
			t.Fatalf("%d -> %d -> %d", p, q, back)
		}
		y, mo, d, h, mi, s, us := UnpackDateTime(p)
		if PackDateTime(y, mo, d, h, mi, s, us) != p || !ValidDateTime(p) {
			t.Fatalf("%d does not unpack", p)
		}
	}
}

func FuzzTemporal(f *testing.F) {
	for _, s := range []string{"2026-01-31 12:34:56.789+02:00", "20260131T123456", "-1 23:59:59.5", "838:59:59.9999999", "1-", "2026-01-31 "} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, fsp int) {
		fsp = int(uint(fsp) % 7)
		ct := DateTimeType(fsp)
		if p, ok := ParseDateTime([]byte(s), fsp, time.UTC); ok {
			if !ValidDateTime(p) {
				t.Fatalf("%q gives the invalid %d", s, p)
			}
			text := AppendText(nil, ct, NewInt(p))
			if q, ok := ParseDateTime(text, fsp, time.UTC); !ok || q != p {
				t.Fatalf("%q is printed as %s, which gives %d for %d", s, text, q, p)
			}
		}
		if us, ok := ParseTime([]byte(s), fsp); ok {
			text := AppendText(nil, TimeType(fsp), NewInt(us))
			if back, ok := ParseTime(text, fsp); !ok || back != us {
				t.Fatalf("%q is printed as %s, which gives %d for %d", s, text, back, us)
			}
		}
	})
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1.5", "-.5e3", "1e-400", "99999999999999999999999999.9999999999", "+0", "1e+", "0e5"} {
		f.Add(s, 10, 2)
	}
	f.Fuzz(func(t *testing.T, s string, precision, scale int) {
		precision = 1 + int(uint(precision)%65)
		scale = int(uint(scale) % uint(min(precision, 30)+1))
		ct := DecimalType(precision, scale)
		v, _ := Assign(&Target{Type: ct, Column: "c", Row: 1}, TextType, NewString(s))
		text := AppendText(nil, ct, v)
		back, err := Assign(&Target{Type: ct, Column: "c", Row: 1}, TextType, NewBytes(text))
		if err != nil || !Equal(ct, v, back) || strings.Count(string(text), ".") > 1 {
			t.Fatalf("%q as %s is printed as %s: %v", s, ct.SQL(), text, err)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for s := range samples {
		f.Add(s)
	}
	for _, s := range samples["json"] {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := NormalizeJSON(nil, []byte(s))
		if err != nil {
			return
		}
		if !json.Valid([]byte(s)) || !json.Valid(out) || !utf8.Valid(out) {
			t.Fatalf("%q is not JSON, or became %q", s, out)
		}
		again, err := NormalizeJSON(nil, out)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%q became %q and then %q: %v", s, out, again, err)
		}
		appendJSONWeight(nil, []byte(s)) // damaged text must not panic
		compareJSON([]byte(s), out)
	})
}

// TestGroupKeys makes the keys of rows at once, with and without NULLs.
func TestGroupKeys(t *testing.T) {
	t.Parallel()
	for a := range samples {
		for b := range samples {
			v, w := sampleVector(t, a), sampleVector(t, b)
			n := min(v.Len(), w.Len()) - 1
			if a < b { // none is NULL then
				x, y := NewVector(v.Type, n), NewVector(w.Type, n)
				x.AppendRange(v, 1, n+1, false)
				y.AppendRange(w, 1, n+1, false)
				v, w = x, y
			}
			keys, ends := AppendGroupKeys(nil, nil, []*Vector{v, w, v}, n)
			from := 0
			for i, end := range ends {
				want := AppendGroupKey(AppendGroupKey(AppendGroupKey(nil, v, i), w, i), v, i)
				if !bytes.Equal(keys[from:end], want) {
					t.Errorf("%s, %s, row %d: %x, not %x", a, b, i, keys[from:end], want)
				}
				from = end
			}
			if len(ends) != n || from != len(keys) {
				t.Errorf("%s, %s: %d ends, the last at %d of %d", a, b, len(ends), from, len(keys))
			}
		}
	}
}
