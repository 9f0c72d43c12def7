package geometry

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/peterstace/simplefeatures/geom"
)

// texts are shapes in the form that AppendText writes.
var texts = []string{
	"POINT(1 2)", "POINT(-0.5 1e308)", "POINT(1e15 123456789012345)", "POINT(1e-20 0.000001)",
	"LINESTRING(0 0,0 0)", "LINESTRING(0 0,1 1,2 4)",
	"POLYGON((0 0,4 0,4 4,0 0))", "POLYGON((0 0,9 0,9 9,0 9,0 0),(1 1,1 2,2 2,1 1))",
	"MULTIPOINT((1 2),(3 4))", "MULTILINESTRING((0 0,1 1),(2 2,3 3,4 4))",
	"MULTIPOLYGON(((0 0,4 0,4 4,0 0)),((9 9,9 8,8 8,9 9),(1 1,1 2,2 2,1 1)))",
	"GEOMETRYCOLLECTION EMPTY",
	"GEOMETRYCOLLECTION(POINT(1 2),GEOMETRYCOLLECTION(LINESTRING(0 0,1 1),GEOMETRYCOLLECTION EMPTY),MULTIPOINT((5 6)))",
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, text := range texts {
		shape, err := ParseText([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(AppendText(nil, shape)); got != text {
			t.Errorf("%s is written as %s", text, got)
		}
		g := Geometry{WGS84, shape}
		back, err := Decode(g.Encode())
		if err != nil || back.SRID != WGS84 || string(AppendText(nil, back.Shape)) != text {
			t.Errorf("%s comes back as %s, %v", text, AppendText(nil, back.Shape), err)
		}
		// The library reads the same bytes, and writes them.
		theirs, err := geom.UnmarshalWKB(AppendWKB(nil, shape), geom.NoValidate{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(hex.EncodeToString(AppendWKB(nil, shape)), hex.EncodeToString(theirs.AsBinary())); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		kind, srid, err := Header(g.Encode())
		if err != nil || kind != g.Type() || srid != WGS84 {
			t.Errorf("%s has the header %v, %d, %v", text, kind, srid, err)
		}
	}
}

func TestTextForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, out string }{
		{" point ( +1.50 \t -2E1 ) ", "POINT(1.5 -20)"},
		{"MultiPoint(1 2,(3 4))", "MULTIPOINT((1 2),(3 4))"},
		{"geomcollection()", "GEOMETRYCOLLECTION EMPTY"},
		{"GEOMETRYCOLLECTION empty", "GEOMETRYCOLLECTION EMPTY"},
		{"GEOMETRYCOLLECTION ( GEOMETRYCOLLECTION() , POINT(.5 5.))", "GEOMETRYCOLLECTION(GEOMETRYCOLLECTION EMPTY,POINT(0.5 5))"},
	} {
		shape, err := ParseText([]byte(c.in))
		if got := string(AppendText(nil, shape)); err != nil || got != c.out {
			t.Errorf("%q gives %s, %v", c.in, got, err)
		}
	}
	nested := strings.Repeat("GEOMETRYCOLLECTION(", 100_000)
	for _, bad := range []string{
		"", "x", "POINT", "POINT()", "POINT EMPTY", "POINT(1)", "POINT(1 2 3)", "POINT(1,2)", "POINT(1 2", "POINT(1 2))", "POINT(1-2)", "POINT(1 x)",
		"POINT(1 1e999)", "POINT(0x1 1)", "POINT(inf 1)", "POINT(nan 1)", "POINT Z(1 2 3)", "POINT(1 2)x", "POINT((1 2))",
		"LINESTRING(0 0)", "LINESTRING()", "LINESTRING(0 0,)", "LINESTRING(0 0 1 1)", "POLYGON()", "POLYGON(())", "POLYGON((0 0,1 1,0 0))",
		"POLYGON((0 0,1 0,1 1,0 1))", "POLYGON(0 0,1 0,1 1,0 0)", "MULTIPOINT()", "MULTIPOINT EMPTY", "MULTIPOINT((1 2)", "MULTILINESTRING((0 0))",
		"MULTIPOLYGON((0 0,1 0,1 1,0 0))", "GEOMETRYCOLLECTION(", "GEOMETRYCOLLECTION(EMPTY)", "GEOMETRYCOLLECTION(POINT(1 1),)", "GEOMETRYCOLLECTION EMPTY()",
		"GEOMETRYCOLLECTION(1 2)", "\xff(1 2)", nested, nested + strings.Repeat(")", 100_000),
	} {
		if shape, err := ParseText([]byte(bad)); err != ErrInvalid {
			t.Errorf("%.40q gives %s, %v", bad, AppendText(nil, shape), err)
		}
	}
}

func TestDecodeDamaged(t *testing.T) {
	t.Parallel()
	shape, err := ParseText([]byte(texts[len(texts)-1]))
	if err != nil {
		t.Fatal(err)
	}
	whole := Geometry{0, shape}.Encode()
	for n := range whole {
		if _, err := Decode(whole[:n]); err != ErrInvalid {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	deep := make([]byte, 4)
	for range 100_000 {
		deep = binary.LittleEndian.AppendUint32(append(deep, 1), uint32(Collection))
		deep = binary.LittleEndian.AppendUint32(deep, 1)
	}
	for _, bad := range []string{
		string(append(whole, 0)), string(deep),
		unhex("00000000" + "00" + "000000013FF00000000000004000000000000000"),                   // big-endian
		unhex("00000000" + "0108000000" + "00000000"),                                           // no such type
		unhex("00000000" + "0100000000" + "00000000"),                                           // nor this
		unhex("00000000" + "0101000000" + "000000000000F87F" + "0000000000000000"),              // NaN
		unhex("00000000" + "0101000000" + "000000000000F07F" + "0000000000000000"),              // infinite
		unhex("00000000" + "0104000000" + "FFFFFFFF"),                                           // more than there is
		unhex("00000000" + "0104000000" + "00000000"),                                           // empty
		unhex("00000000" + "0105000000" + "01000000" + "0101000000" + strings.Repeat("00", 16)), // a point among lines
	} {
		if g, err := Decode([]byte(bad)); err != ErrInvalid {
			t.Errorf("%.30X gives %s, %v", bad, AppendText(nil, g.Shape), err)
		}
	}
	// Well-known bytes may be big-endian, in parts too.
	g, err := DecodeWKB([]byte(unhex("0000000004" + "00000001" + "0101000000" + "000000000000F03F" + "0000000000000040")))
	if got := string(AppendText(nil, g)); err != nil || got != "MULTIPOINT((1 2))" {
		t.Errorf("got %s, %v", got, err)
	}
}

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// FuzzDecode checks that what is read from bytes is written as the same bytes and
// comes back through text.
func FuzzDecode(f *testing.F) {
	for _, text := range texts {
		shape, err := ParseText([]byte(text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(Geometry{0, shape}.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := Decode(b)
		if err != nil {
			return
		}
		if diff := cmp.Diff(b, g.Encode()); diff != "" {
			t.Fatal(diff)
		}
		text := AppendText(nil, g.Shape)
		back, err := ParseText(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(text, AppendText(nil, back)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzText checks that text is read or refused, and that what is read has a form.
func FuzzText(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shape, err := ParseText([]byte(text))
		if err != nil {
			return
		}
		if _, err := Decode(Geometry{0, shape}.Encode()); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
