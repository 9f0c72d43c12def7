package expr

import (
	"fmt"
	"slices"
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Strength is how strongly the collation of a text holds where texts of different
// ones meet, the strongest first; 0 is a table column's.
type Strength int8

const (
	explicit   Strength = iota - 2 // asked for by COLLATE
	noStrength                     // of texts of different collations
	implicit                       // a column's
	system                         // of USER() and the like
	coercible                      // a literal's
	numeric                        // no text at all
	ignorable                      // NULL's
)

// coercibility is what COERCIBILITY gives.
func (s Strength) coercibility() int { return int(s - explicit) }

// StrengthOf returns the strength that e's collation has, which columns keep that
// stand for e outside of a query.
func StrengthOf(e Expr) Strength { return derive(e).strength }

var strengthNames = [...]string{"EXPLICIT", "NONE", "IMPLICIT", "SYSCONST", "COERCIBLE", "NUMERIC", "IGNORABLE"}

// derivation is a collation with its strength.
type derivation struct {
	id       collations.ID
	strength Strength
}

// derive returns the collation that e has as text.
func derive(e Expr) derivation {
	t := e.Type()
	switch {
	case t.Kind == types.Null:
		return derivation{collations.CollationBinaryID, ignorable}
	case t.Kind == types.JSON:
		return derivation{types.DefaultCollation, implicit}
	case !hasCollation(t) && !t.IsBinary():
		return derivation{types.DefaultCollation, numeric}
	}
	d := derivation{t.Collation, implicit}
	if t.IsBinary() {
		d.id = collations.CollationBinaryID
	}
	switch e := e.(type) {
	case *Literal:
		if d.strength = coercible; e.coercibility > 0 {
			d.strength = Strength(e.coercibility-1) + explicit
		}
	case *Param:
		d.strength = coercible
	case *Column:
		d.strength = e.Strength
	case *Outer:
		d.strength = e.Strength
	case *Subquery:
		d.strength = e.Strength
	case *Aggregate:
		d.strength = strongest(d.id, e.Args)
	case *Window:
		d.strength = strongest(d.id, e.Args)
	case *Cast:
		switch {
		case e.Explicit:
			d.strength = explicit
		case e.Written:
		case hasCollation(e.Arg.Type()) || e.Arg.Type().IsBinary():
			d.strength = derive(e.Arg).strength
		default:
			d.strength = coercible
		}
	case *Case:
		d.strength = strongest(d.id, e.results())
	case *Coalesce:
		d.strength = strongest(d.id, e.Args)
	case *Call:
		switch {
		case e.derived != nil:
			return *e.derived
		case e.native != nil && e.native.session:
			d.strength = system
		default:
			d.strength = strongest(d.id, e.Args)
		}
	}
	return d
}

// strongest returns the strength that a text made of args has, if it took the collation
// that they have together.
func strongest(id collations.ID, args []Expr) Strength {
	if d, err := collate("", args...); err == nil && d.id == id && d.strength < numeric {
		return d.strength
	}
	return coercible
}

// results returns the expressions that a CASE takes its value from.
func (e *Case) results() []Expr {
	var list []Expr
	for _, w := range e.Whens {
		list = append(list, w.Then)
	}
	if e.Else != nil {
		list = append(list, e.Else)
	}
	return list
}

// meet returns the derivation of two texts together; ok is false where both ask for
// different collations.
func meet(a, b derivation) (_ derivation, ok bool) {
	const bytes = collations.CollationBinaryID
	switch {
	case a.id == b.id, a.strength < b.strength:
		return derivation{a.id, min(a.strength, b.strength)}, true
	case b.strength < a.strength, b.id == bytes:
		return b, true
	case a.id == bytes:
		return a, true
	case a.strength == explicit:
		return derivation{a.id, noStrength}, false
	case binarySorted(a.id):
		return a, true
	case binarySorted(b.id):
		return b, true
	}
	return derivation{types.DefaultCollation, noStrength}, true
}

// binarySorted reports whether a collation of utf8mb4 orders by bytes.
func binarySorted(id collations.ID) bool {
	return id == collations.CollationUtf8mb4BinID || types.CollationName(id) == "utf8mb4_0900_bin"
}

// collate returns the collation of texts together, as the arguments of op. Errors:
// sqlerr.IllegalMix.
func collate(op string, list ...Expr) (derivation, error) {
	d := derivation{collations.CollationBinaryID, ignorable}
	for _, e := range list {
		var ok bool
		if d, ok = meet(d, derive(e)); !ok {
			return d, illegalMix(op, list)
		}
	}
	if d.strength == ignorable {
		d.id = types.DefaultCollation
	}
	return d, nil
}

// collateForCompare is collate for what must be compared under one collation.
func collateForCompare(op string, list ...Expr) (collations.ID, error) {
	d, err := collate(op, list...)
	if err == nil && d.strength == noStrength {
		err = illegalMix(op, list)
	}
	return d.id, err
}

func illegalMix(op string, list []Expr) error {
	texts := func() (s string) {
		for i, e := range list {
			if i > 0 {
				s += ", "
			}
			d := derive(e)
			s += fmt.Sprintf("(%s,%s)", types.CollationName(d.id), strengthNames[d.strength.coercibility()])
		}
		return s
	}
	switch len(list) {
	case 2:
	case 3:
		return sqlerr.IllegalMixOfThree.New("Illegal mix of collations %s for operation '%s'", texts(), op)
	default:
		return sqlerr.IllegalMixOfMany.New("Illegal mix of collations for operation '%s'", op)
	}
	a, b := derive(list[0]), derive(list[1])
	return sqlerr.IllegalMix.New("Illegal mix of collations (%s,%s) and (%s,%s) for operation '%s'",
		types.CollationName(a.id), strengthNames[a.strength.coercibility()], types.CollationName(b.id), strengthNames[b.strength.coercibility()], op)
}

// textOf returns the type of text that a function makes of args: binary where one is.
func textOf(args []Expr) types.Type {
	t := types.TextType
	for _, a := range args {
		if a.Type().IsBinary() {
			return types.BytesType
		}
	}
	if d, err := collate("", args...); err == nil && d.strength < numeric {
		t.Collation = d.id
	}
	return t
}

// ComparedAs returns the type that l and r compare in by op, with the collation that
// they have together. Errors: sqlerr.IllegalMix.
func ComparedAs(op string, l, r Expr) (types.Type, error) {
	t := CompareType(l.Type(), r.Type())
	if !t.IsString() {
		return t, nil
	}
	id, err := collateForCompare(op, l, r)
	return collated(t, id), err
}

// SetType returns the type that the column of a set operation has whose parts yield
// list, and the strength of its collation. Errors: sqlerr.IllegalMix.
func SetType(op string, list ...Expr) (types.Type, Strength, error) {
	t := types.NullType
	for _, e := range list {
		t = CommonType(t, e.Type())
	}
	if !t.IsText() {
		return t, implicit, nil
	}
	d, err := collate(op, list...)
	if err == nil && d.strength == noStrength {
		err = sqlerr.IllegalMixOfMany.New("Illegal mix of collations for operation '%s'", op)
	}
	t.Collation = d.id
	return t, min(d.strength, coercible), err
}

// collated returns t, the type of a comparison of texts, under a collation.
func collated(t types.Type, id collations.ID) types.Type {
	if t.IsBinary() && id != collations.CollationBinaryID {
		t = types.TextType
	}
	if t.IsText() {
		t.Collation = id
	}
	return t
}

// keepsText are evalengine's functions whose result has the characters of their arguments.
var keepsText = map[string]bool{
	"concat": true, "concat_ws": true, "elt": true, "insert": true, "left": true, "lpad": true, "mid": true, "repeat": true,
	"replace": true, "reverse": true, "right": true, "rpad": true, "substr": true, "substring": true,
	"regexp_replace": true, "regexp_substr": true,
}

// readsText are other functions of evalengine that see the characters of a number.
var readsText = map[string]bool{
	"ascii": true, "bit_length": true, "char_length": true, "character_length": true, "crc32": true, "length": true, "md5": true, "octet_length": true,
	"ord": true, "regexp_instr": true, "regexp_like": true, "sha": true, "sha1": true, "sha2": true, "to_base64": true,
}

// collateCall gives the texts among a call's arguments the collation that they have
// together, for evalengine does not tell columns from literals. Regular expressions get
// that of bytes, and as an argument whether letters' case matters.
func collateCall(name string, args []Expr, tmpl sqlparser.Expr) ([]Expr, sqlparser.Expr, error) {
	differ := slices.ContainsFunc(args, func(e Expr) bool {
		return e.Type().IsText() && e.Type().Collation != types.DefaultCollation
	})
	if !differ {
		return args, tmpl, nil
	}
	d, err := collate(name, args...)
	if err != nil {
		return nil, nil, err
	}
	id := d.id
	if caseless(id) {
		if t, ok := withoutCase(tmpl); ok {
			tmpl = t
		}
	}
	if strings.HasPrefix(name, "regexp") {
		id = types.DefaultCollation
	}
	out := slices.Clone(args)
	for i, a := range args {
		if t := a.Type(); t.IsText() && t.Collation != id {
			t.Collation = id
			out[i] = CastTo(a, t)
		}
	}
	return out, tmpl, nil
}

// caseless reports whether a collation takes upper and lower case for the same.
func caseless(id collations.ID) bool { return strings.HasSuffix(types.CollationName(id), "_ci") }

// withoutCase returns a call of a regular expression that does not look at case, unless
// it says itself.
func withoutCase(tmpl sqlparser.Expr) (sqlparser.Expr, bool) {
	match := func(given sqlparser.Expr) sqlparser.Expr {
		if given == nil {
			return sqlparser.NewStrLiteral("i")
		}
		return given
	}
	one := func(given sqlparser.Expr) sqlparser.Expr {
		if given == nil {
			return sqlparser.NewIntLiteral("1")
		}
		return given
	}
	zero := func(given sqlparser.Expr) sqlparser.Expr {
		if given == nil {
			return sqlparser.NewIntLiteral("0")
		}
		return given
	}
	switch n := tmpl.(type) {
	case *sqlparser.ComparisonExpr:
		like := &sqlparser.RegexpLikeExpr{Expr: n.Left, Pattern: n.Right, MatchType: match(nil)}
		switch n.Operator {
		case sqlparser.RegexpOp:
			return like, true
		case sqlparser.NotRegexpOp:
			return &sqlparser.NotExpr{Expr: like}, true
		}
	case *sqlparser.RegexpLikeExpr:
		return &sqlparser.RegexpLikeExpr{Expr: n.Expr, Pattern: n.Pattern, MatchType: match(n.MatchType)}, true
	case *sqlparser.RegexpInstrExpr:
		return &sqlparser.RegexpInstrExpr{Expr: n.Expr, Pattern: n.Pattern, Position: one(n.Position), Occurrence: one(n.Occurrence),
			ReturnOption: zero(n.ReturnOption), MatchType: match(n.MatchType)}, true
	case *sqlparser.RegexpSubstrExpr:
		return &sqlparser.RegexpSubstrExpr{Expr: n.Expr, Pattern: n.Pattern, Position: one(n.Position), Occurrence: one(n.Occurrence),
			MatchType: match(n.MatchType)}, true
	case *sqlparser.RegexpReplaceExpr:
		return &sqlparser.RegexpReplaceExpr{Expr: n.Expr, Pattern: n.Pattern, Repl: n.Repl, Position: one(n.Position),
			Occurrence: zero(n.Occurrence), MatchType: match(n.MatchType)}, true
	}
	return nil, false
}
