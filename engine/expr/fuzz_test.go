package expr

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// edgeRows is a batch of columns of every type with values at their edges.
type edgeRows struct {
	names []string
	types []types.Type
	batch *types.Batch
}

func newEdgeRows() *edgeRows {
	general := types.TextType
	general.Collation = collations.CollationUtf8mb4ID // utf8mb4_general_ci
	members := &types.Members{Names: []string{"a", "b"}}
	e := &edgeRows{}
	add := func(name string, t types.Type, texts ...string) {
		v := types.NewVector(t, len(texts))
		for _, s := range texts {
			if s == "NULL" {
				v.AppendNull()
				continue
			}
			from, value := types.TextType, types.NewString(s)
			if t.IsBinary() {
				from = types.BytesType
			}
			value, err := types.Assign(&types.Target{Type: t, Column: name, Row: 1}, from, value)
			if err != nil {
				panic(err)
			}
			v.AppendValue(value)
		}
		e.names, e.types = append(e.names, name), append(e.types, t)
		if e.batch == nil {
			e.batch = &types.Batch{Len: len(texts)}
		}
		e.batch.Columns = append(e.batch.Columns, v)
	}
	add("i", types.Int64Type, "0", "-9223372036854775808", "9223372036854775807", "NULL")
	add("u", types.Uint64Type, "0", "1", "18446744073709551615", "NULL")
	add("d", types.DecimalType(10, 3), "0", "-1.5", "9999999.999", "NULL")
	add("dd", types.DecimalType(40, 10), "0", "-1", "123456789012345678901234567890.0000000001", "NULL")
	add("f", types.Float64Type, "0", "-1.5e300", "1e-300", "NULL")
	add("s", types.TextType, "", "äÖ%_\\", "2020-01-31 10:11:12.5", "NULL")
	add("g", general, "", "A ", "ß", "NULL")
	add("b", types.BytesType, "", "\xff\x00", "abc", "NULL")
	add("dt", types.DateTimeType(6), "0001-01-01", "9999-12-31 23:59:59.999999", "2020-02-29 10:11:12", "NULL")
	add("da", types.Type{Kind: types.Date, Size: -1}, "0001-01-01", "9999-12-31", "2020-02-29", "NULL")
	add("t", types.TimeType(6), "-838:59:59", "838:59:59", "00:00:00.000001", "NULL")
	add("y", types.Type{Kind: types.Year, Size: -1}, "1901", "2155", "1970", "NULL")
	add("j", types.JSONType, "null", `{"a": [1, {"b": "x"}]}`, "1.5", "NULL")
	add("e", types.Type{Kind: types.Enum, Size: -1, Collation: types.DefaultCollation, Members: members}, "a", "b", "a", "NULL")
	add("st", types.Type{Kind: types.Set, Size: -1, Collation: types.DefaultCollation, Members: members}, "", "a,b", "b", "NULL")
	add("bi", types.Type{Kind: types.Bit, Size: 64}, "\x00", "\x01", "\xff\xff\xff\xff\xff\xff\xff\xff", "NULL")
	return e
}

// Resolve implements Scope.
func (e *edgeRows) Resolve(n *sqlparser.ColName) (Expr, error) {
	for i, name := range e.names {
		if strings.EqualFold(name, n.Name.String()) {
			return &Column{Index: i, Name: name, T: e.types[i], Null: true}, nil
		}
	}
	return nil, sqlerr.UnknownColumn.New("Unknown column '%s'", n.Name.String())
}

// Subquery implements Scope.
func (e *edgeRows) Subquery(SubqueryKind, sqlparser.TableStatement, []Expr) (*Subquery, error) {
	return nil, sqlerr.Unsupported("a subquery here")
}

// Aggregate implements Scope.
func (e *edgeRows) Aggregate(bind func() (*Aggregate, error)) (Expr, error) {
	return NoAggregates{}.Aggregate(bind)
}

// FuzzEval evaluates texts as expressions over columns of all types: they give a value
// for each row or one of Kalam's errors, and the same when constants are folded.
func FuzzEval(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.golden")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				f.Add(line)
			}
		}
	}
	for _, fn := range Functions() {
		f.Add(fn.Examples)
		if fn.counted && !fn.Refused {
			for _, args := range []string{"i, s, d, f, dt", "s, i, j, t, b", "dt, t, u, g, e", "j, s, y, bi, st", "b, dd, f, da, s", "g, u, g, i, i"} {
				list := strings.Split(args, ", ")
				f.Add(fn.Name + "(" + strings.Join(list[:min(max(fn.min, 1), len(list))], ", ") + ")")
			}
		}
	}
	rows := newEdgeRows()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "sleep") {
			return
		}
		e, err := parseExpr(text)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		eval := func(e Expr) (*types.Vector, error) {
			env := testEnv()
			env.Context = ctx
			ev, err := NewEvaluator(env, e)
			if err != nil {
				return nil, err
			}
			out, err := ev.Eval(rows.batch)
			if err != nil {
				return nil, err
			}
			return out[0], nil
		}
		b := &Binder{Scope: rows}
		plain, err := b.bind(e)
		if err != nil {
			known(t, text, err)
			return
		}
		folded, err := b.Bind(e)
		if err != nil {
			known(t, text, err)
			return
		}
		v, err := eval(plain)
		w, err2 := eval(folded)
		if err != nil || err2 != nil {
			known(t, text, err)
			known(t, text, err2)
			return
		}
		if v.Len() != rows.batch.Len || w.Len() != v.Len() {
			t.Fatalf("%q gives %d values, folded %d", text, v.Len(), w.Len())
		}
		if !Deterministic(plain) {
			return
		}
		for i := range v.Len() {
			if a, b := valueText(v.Value(i), v.Type), valueText(w.Value(i), w.Type); a != b {
				t.Fatalf("%q gives %s, folded %s", text, a, b)
			}
		}
	})
}

// known fails where an error is not one that a user may see.
func known(t *testing.T, text string, err error) {
	t.Helper()
	if err != nil && (sqlerr.As(err) == nil || errors.Is(err, sqlerr.Internal)) {
		t.Fatalf("%q: %v\n%v", text, err, errors.Unwrap(err))
	}
}
