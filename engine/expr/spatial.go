package expr

import (
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// noSpatial returns the error of a function or operator that takes no geometries but
// is given one.
func noSpatial(name string, args ...Expr) error {
	for _, a := range args {
		if a.Type().IsSpatial() {
			return sqlerr.WrongArguments.New("Incorrect arguments to %s", name)
		}
	}
	return nil
}

// comparesWithSpatial reports whether values of t can be equal to a geometry's bytes.
func comparesWithSpatial(t types.Type) bool { return t.IsString() || t.Kind == types.Null }

// checkSpatial returns the error of comparing geometries as they cannot be: other
// than for equality, or with numbers and times.
func checkSpatial(op CompareOp, l, r Expr) error {
	if op == EQ || op == NE || op == NullSafeEQ {
		if comparesWithSpatial(l.Type()) && comparesWithSpatial(r.Type()) {
			return nil
		}
	}
	return noSpatial(opNames[op], l, r)
}
