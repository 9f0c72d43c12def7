package expr

import (
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// cast binds CAST and CONVERT. Where they convert as MySQL does by itself they
// are a Cast, elsewhere a Call.
func (b *Binder) cast(n, operand sqlparser.Expr, to *sqlparser.ConvertType) (Expr, error) {
	arg, err := b.bind(operand)
	if err != nil {
		return nil, err
	}
	from := arg.Type()
	t, err := castType(to)
	if err != nil {
		return nil, err
	}
	if from.Kind == types.Null {
		return &Cast{Arg: arg, T: t, Written: true}, nil
	}
	if arg = ForColumn(arg, t); arg.Type() != from {
		return &Cast{Arg: arg, T: t, Written: true}, nil
	}
	own := false
	switch {
	case t.IsTemporal():
		own = true
	case t.Kind == types.Decimal:
		own = from.IsNumeric() && from.Kind != types.Bit || from.IsText()
	case t.IsFloat():
		own = from.IsNumeric() || from.IsString()
	case t.IsInteger():
		if from.IsText() {
			n := castSigned
			if t.Unsigned {
				n = castUnsigned
			}
			return newNative("cast", n, []Expr{arg})
		}
		if from.Kind == types.Decimal && t.Unsigned {
			return newNative("cast", castDecimalUnsigned, []Expr{arg})
		}
		own = from.IsInteger() && from.Unsigned == t.Unsigned || from.IsFloat() && !t.Unsigned
	case t.IsString():
		own = to.Length == nil && from.Kind != types.Bit
	case t.Kind == types.JSON:
		return newNative("cast_as_json", natives["cast_as_json"], []Expr{arg})
	}
	if own {
		return written(arg, t), nil
	}
	e, err := b.viaVitess("cast", n)
	if err != nil {
		return nil, err
	}
	c := *e.(*Call)
	c.T = t
	if t.IsString() {
		c.derived = derivedBy(t)
	}
	return &c, nil
}

// derivedBy returns the derivation of what CAST or CONVERT makes, a text of type t.
func derivedBy(t types.Type) *derivation {
	if t.IsBinary() {
		return &derivation{collations.CollationBinaryID, implicit}
	}
	return &derivation{t.Collation, implicit}
}

// written returns e converted to t by CAST or CONVERT, whose collation holds like that of
// a column.
func written(e Expr, t types.Type) Expr {
	if e.Type() == t && (!t.IsString() || derive(e).strength == implicit) {
		return e
	}
	return &Cast{Arg: e, T: t, Written: true}
}

// castType returns the type that CAST … AS names.
func castType(n *sqlparser.ConvertType) (types.Type, error) {
	length := -1
	if n.Length != nil {
		length = *n.Length
	}
	name := strings.ToUpper(n.Type)
	if cs := strings.ToLower(n.Charset.Name); cs != "" && cs != "utf8mb4" && cs != "utf8" && cs != "utf8mb3" && cs != "binary" {
		return types.Type{}, sqlerr.Unsupported("CHARACTER SET %s", cs)
	}
	switch name {
	case "SIGNED", "SIGNED INTEGER":
		return types.Int64Type, nil
	case "UNSIGNED", "UNSIGNED INTEGER":
		return types.Uint64Type, nil
	case "CHAR", "NCHAR":
		t := types.TextType
		if strings.EqualFold(n.Charset.Name, "binary") {
			t = types.BytesType
		}
		t.Size = length
		return t, nil
	case "BINARY":
		t := types.BytesType
		t.Size = length
		return t, nil
	case "DOUBLE", "REAL":
		return types.Float64Type, nil
	case "FLOAT":
		t := types.Float64Type
		if length <= 24 {
			t.Kind = types.Float
		}
		return t, nil
	case "JSON":
		return types.JSONType, nil
	case "DATE":
		return temporalType(types.Date, 0), nil
	case "DATETIME", "TIME":
		if length > 6 {
			return types.Type{}, sqlerr.WrongArguments.New("Too-big precision %d specified. Maximum is 6.", length)
		}
		if name == "TIME" {
			return temporalType(types.Time, length), nil
		}
		return temporalType(types.DateTime, length), nil
	case "DECIMAL":
		p, s := 10, 0
		if n.Length != nil {
			p = length
		}
		if n.Scale != nil {
			s = *n.Scale
		}
		if p > maxPrecision || s > maxScale || s > p {
			return types.Type{}, sqlerr.WrongArguments.New("DECIMAL(%d,%d) has too many digits", p, s)
		}
		return decimalType(p, s), nil
	}
	return types.Type{}, sqlerr.Unsupported("CAST AS %s", name)
}

// convertUsing binds CONVERT(… USING charset). Text is UTF-8 here, so only the
// character sets that are the same bytes there are had.
func (b *Binder) convertUsing(n *sqlparser.ConvertUsingExpr) (Expr, error) {
	arg, err := b.bind(n.Expr)
	if err != nil {
		return nil, err
	}
	switch cs := strings.ToLower(n.Type); cs {
	case "utf8mb4", "utf8", "utf8mb3":
		return written(arg, types.TextType), nil
	case "binary":
		return written(arg, types.BytesType), nil
	case "ascii":
		e, err := newNative("convert", toASCII, []Expr{arg})
		if c, ok := e.(*Call); ok {
			c.derived = derivedBy(c.T)
		}
		return e, err
	default:
		return nil, sqlerr.Unsupported("CHARACTER SET %s", cs)
	}
}
