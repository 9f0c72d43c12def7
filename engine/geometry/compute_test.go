package geometry

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/peterstace/simplefeatures/geom"
)

// randomShape returns a shape that has a form but is often not valid: its
// coordinates are few, so that points and edges coincide, or of any size.
func randomShape(r *rand.Rand, depth int) geom.Geometry {
	coordinate := func() float64 {
		switch r.IntN(30) {
		case 0:
			return 1e308 * (r.Float64() - 0.5)
		case 1:
			return 1e-308 * r.Float64()
		case 2:
			return r.NormFloat64()
		}
		return float64(r.IntN(5))
	}
	seq := func(n int, ring bool) geom.Sequence {
		var xys []float64
		for range n {
			xys = append(xys, coordinate(), coordinate())
		}
		if ring {
			xys = append(xys, xys[0], xys[1])
		}
		return geom.NewSequence(xys, geom.DimXY)
	}
	of := func(t Type) geom.Geometry {
		switch t {
		case Point:
			return geom.NewPointXY(coordinate(), coordinate()).AsGeometry()
		case LineString:
			return geom.NewLineString(seq(2+r.IntN(4), r.IntN(4) == 0)).AsGeometry()
		}
		rings := make([]geom.LineString, 1+r.IntN(3)/2)
		for i := range rings {
			rings[i] = geom.NewLineString(seq(3+r.IntN(3), true))
		}
		return geom.NewPolygon(rings).AsGeometry()
	}
	t := Type(1 + r.IntN(int(Collection)))
	if t < MultiPoint {
		return of(t)
	}
	var list []geom.Geometry
	for range 1 + r.IntN(3) {
		if t != Collection {
			list = append(list, of(t.part()))
		} else if depth > 0 {
			list = append(list, randomShape(r, depth-1))
		}
	}
	return assemble(t, list)
}

// TestComputeBears calls everything that computes with random shapes: nothing panics,
// and what is a geometry has a form or a coordinate too large.
func TestComputeBears(t *testing.T) {
	t.Parallel()
	// The library panics on these, whose coordinates differ too much in size.
	for _, text := range []string{
		"MULTIPOLYGON(((2 2,2 3,1 0,1 1.657413865135716e-309,2 2),(0 0,1 3,3 -1.763379498124208,0 3,0 0)))",
		"MULTIPOLYGON(((4 4,2 0,2.875559448160926e-309 0,4 4)),((1 3,3 3,0 7.40812912260936e-309,1 3)),((2 0,0 0,3 2,2 0)))",
		"MULTIPOLYGON(((2 1,4 3,4 3,1 4.3500532347715493e307,2 1)),((1 1,2 4,-2.2533702369834364e307 2,1 3,1 1)))",
	} {
		shape, err := ParseText([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		compute(t, Geometry{0, shape}, Geometry{0, shape})
	}
	r := rand.New(rand.NewPCG(1, 2))
	const pairs = 2000
	for range pairs {
		compute(t, Geometry{0, randomShape(r, 2)}, Geometry{0, randomShape(r, 2)})
	}
}

func compute(t *testing.T, a, b Geometry) {
	about := fmt.Sprintf("%s; %s", AppendText(nil, a.Shape), AppendText(nil, b.Shape))
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: %v", about, p)
		}
	}()
	if _, err := Decode(a.Encode()); err != nil {
		t.Error(about, err)
	}
	a.IsValid()
	a.IsSimple()
	a.IsClosed()
	a.Length()
	a.Area()
	a.Centroid()
	a.ConvexHull()
	a.Envelope()
	Distance(a, b)
	for _, r := range []Relation{Contains, Crosses, Disjoint, Equals, Intersects, Overlaps, Touches, Within, Covers, CoveredBy} {
		Related(r, a, b)
		BoxesRelated(r, a, b)
	}
	for name, o := range map[string]Overlay{"union": Union, "intersection": Intersection, "difference": Difference, "symDifference": SymmetricDifference} {
		g, err := Overlaid(o, a, b)
		if err != nil {
			continue
		}
		if _, err := Decode(g.Encode()); err != nil && allFinite(g) {
			t.Errorf("%s of %s: %s has no form", name, about, AppendText(nil, g.Shape))
		}
	}
}

func allFinite(g Geometry) bool {
	for _, p := range points(g.Shape) {
		if !finite(p.X) || !finite(p.Y) {
			return false
		}
	}
	return true
}
