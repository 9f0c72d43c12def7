package expr

import (
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/datetime"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func bindLiteral(n *sqlparser.Literal, zeros types.ZeroDates) (*Literal, error) {
	text := n.Val
	bad := func() (*Literal, error) {
		return nil, sqlerr.TruncatedWrongVal.New("Incorrect value: '%s'", text)
	}
	switch n.Type {
	case sqlparser.IntVal:
		u, err := strconv.ParseUint(text, 10, 64)
		switch {
		case err != nil:
			return decimalLiteral(text)
		case u > 1<<63-1:
			return &Literal{Value: types.NewUint(u), T: types.Uint64Type}, nil
		}
		return &Literal{Value: types.NewInt(int64(u)), T: types.Int64Type}, nil
	case sqlparser.DecimalVal:
		return decimalLiteral(text)
	case sqlparser.FloatVal:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, sqlerr.DataOutOfRange.New("Illegal double '%s' value found during parsing", text)
		}
		return &Literal{Value: types.NewFloat(f), T: types.Float64Type}, nil
	case sqlparser.StrVal:
		if !utf8.ValidString(text) {
			return nil, sqlerr.IncorrectValue.New("Invalid utf8mb4 character string: %q", text)
		}
		return &Literal{Value: types.NewString(text), T: types.TextType, ZeroDates: zeros}, nil
	case sqlparser.HexVal, sqlparser.HexNum:
		if n.Type == sqlparser.HexNum {
			text = text[2:]
			if len(text)%2 == 1 {
				text = "0" + text
			}
		}
		raw, err := hex.DecodeString(text)
		if err != nil {
			return bad()
		}
		return &Literal{Value: types.NewBytes(raw), T: types.BytesType, Hex: true}, nil
	case sqlparser.BitNum:
		digits := strings.TrimPrefix(strings.Trim(text, "bB'"), "0b")
		i, ok := new(big.Int).SetString("0"+digits, 2)
		if !ok {
			return bad()
		}
		raw := make([]byte, (len(digits)+7)/8)
		return &Literal{Value: types.NewBytes(i.FillBytes(raw)), T: types.BytesType, Hex: true}, nil
	case sqlparser.DateVal, sqlparser.TimeVal, sqlparser.TimestampVal:
		t := temporalType(types.Date, 0)
		name := "DATE"
		switch n.Type {
		case sqlparser.TimeVal:
			t, name = temporalType(types.Time, int(datetime.SizeFromString(text))), "TIME"
		case sqlparser.TimestampVal:
			t, name = temporalType(types.DateTime, int(datetime.SizeFromString(text))), "DATETIME"
		}
		v, ok := parseTemporal([]byte(text), t)
		if !ok && n.Type != sqlparser.TimeVal {
			v, ok = parseZeroDate([]byte(text), t, zeros)
		}
		if n.Type == sqlparser.TimestampVal && !strings.ContainsAny(strings.TrimSpace(text), " Tt") {
			ok = false // a date alone
		}
		if !ok {
			return nil, sqlerr.WrongValue.New("Incorrect %s value: '%s'", name, text)
		}
		return &Literal{Value: types.NewInt(v), T: t}, nil
	}
	return nil, notSupported(n)
}

// decimalLiteral reads digits with a point, or an integer over 64 bits.
func decimalLiteral(text string) (*Literal, error) {
	whole, frac, _ := strings.Cut(text, ".")
	whole = strings.TrimLeft(whole, "0")
	if len(frac) > maxScale {
		frac = frac[:maxScale]
	}
	if len(whole)+len(frac) > maxPrecision {
		return nil, sqlerr.DataOutOfRange.New("DECIMAL value is out of range in '%s'", text)
	}
	t := decimalType(len(whole)+len(frac), len(frac))
	v := types.NewVector(t, 1)
	if t.Physical() == types.PhysInt64 {
		n, err := strconv.ParseInt("0"+whole+frac, 10, 64)
		if err != nil {
			return nil, sqlerr.TruncatedWrongVal.New("Incorrect DECIMAL value: '%s'", text)
		}
		v.AppendInt(n)
	} else {
		if whole == "" {
			whole = "0"
		}
		if frac != "" {
			frac = "." + frac
		}
		v.AppendBytes([]byte(whole + frac))
	}
	return &Literal{Value: v.Value(0), T: t}, nil
}

func (b *Binder) collate(n *sqlparser.CollateExpr) (Expr, error) {
	arg, err := b.bind(n.Expr)
	if err != nil {
		return nil, err
	}
	id := vitess().CollationEnv().LookupByName(strings.ToLower(n.Collation))
	if id == collations.Unknown {
		return nil, sqlerr.UnknownCollation.New("Unknown collation: '%s'", n.Collation)
	}
	if cs := vitess().CollationEnv().LookupCharsetName(id); cs != "utf8mb4" && !(cs == "binary" && arg.Type().IsBinary()) {
		return nil, sqlerr.CollationMismatch.New("COLLATION '%s' is not valid for CHARACTER SET 'utf8mb4'", n.Collation)
	}
	if arg.Type().IsBinary() && id != collations.CollationBinaryID {
		return nil, sqlerr.CollationMismatch.New("COLLATION '%s' is not valid for CHARACTER SET 'binary'", n.Collation)
	}
	t := types.TextType
	if arg.Type().IsText() {
		t = arg.Type()
	}
	t.Collation = id
	return &Cast{Arg: arg, T: t, Explicit: true}, nil
}

func (b *Binder) introducer(n *sqlparser.IntroducerExpr) (Expr, error) {
	arg, err := b.bind(n.Expr)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(n.CharacterSet) {
	case "_utf8mb4", "_utf8", "_utf8mb3":
		return CastTo(arg, types.TextType), nil
	case "_binary":
		return CastTo(arg, types.BytesType), nil
	}
	return nil, sqlerr.Unsupported("CHARACTER SET %s", strings.TrimPrefix(n.CharacterSet, "_"))
}
