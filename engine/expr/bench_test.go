package expr

import (
	"math/rand/v2"
	"testing"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// tableScope resolves names to columns in order.
type tableScope struct {
	names      []string
	types      []types.Type
	aggregates bool
}

func (s tableScope) Resolve(n *sqlparser.ColName) (Expr, error) {
	for i, name := range s.names {
		if n.Name.EqualString(name) {
			return &Column{Index: i, Name: name, T: s.types[i], Null: true}, nil
		}
	}
	return nil, sqlerr.UnknownColumn.New("Unknown column '%s' in 'field list'", n.Name.String())
}

func (s tableScope) Subquery(kind SubqueryKind, _ sqlparser.TableStatement, left []Expr) (*Subquery, error) {
	return &Subquery{Kind: kind, Left: left, Row: []types.Type{types.Int64Type}, T: types.BoolType}, nil
}

func (s tableScope) Aggregate(bind func() (*Aggregate, error)) (Expr, error) {
	if !s.aggregates {
		return NoAggregates{}.Aggregate(bind)
	}
	return bind()
}

func BenchmarkEval(b *testing.B) {
	scope := tableScope{
		names: []string{"i", "u", "f", "d", "s", "t"},
		types: []types.Type{types.Int64Type, types.Uint64Type, types.Float64Type, types.DecimalType(15, 2), types.TextType, temporalType(types.DateTime, 0)},
	}
	batch := types.NewBatch(scope.types)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range types.BatchRows {
		batch.AppendRow([]types.Value{
			types.NewInt(r.Int64N(20)), types.NewUint(uint64(i)), types.NewFloat(r.Float64()), types.NewInt(r.Int64N(1e6)),
			types.NewString([]string{"apple", "banana", "cherry", "abacus"}[r.IntN(4)]),
			types.NewInt(types.PackDateTime(2024, 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), 0, 0, 0)),
		})
	}
	for _, text := range []string{
		"i + 1 > 5", "i > 5 and i < 15", "d * (1 - d)", "d + 1", "f * 2 + 1", "s = 'banana'", "s like 'a%'", "s like '%a_a%'",
		"i in (1, 3, 5, 7, 9, 11)", "t >= '2024-06-01'", "case when i > 10 then d else 0 end", "coalesce(d, 0)", "i / 3", "d / 7",
		"concat(s, '!')", "year(t)", "date_format(t, '%Y-%m')", "upper(s)", "abs(i)",
	} {
		b.Run(text, func(b *testing.B) {
			e, err := (&Binder{Scope: scope}).Bind(mustParse(b, text))
			if err != nil {
				b.Fatal(err)
			}
			ev, err := NewEvaluator(testEnv(), e)
			if err != nil {
				b.Fatal(err)
			}
			var sel []int32
			b.ReportAllocs()
			for b.Loop() {
				if e.Type() == types.BoolType {
					sel, err = ev.Select(batch, sel[:0])
				} else {
					_, err = ev.Eval(batch)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/types.BatchRows, "ns/row")
		})
	}
	b.Run("prepare", func(b *testing.B) {
		e, err := (&Binder{Scope: scope, Params: []types.Type{types.Int64Type}}).Bind(mustParse(b, "i = :v1 and s like 'a%'"))
		if err != nil {
			b.Fatal(err)
		}
		env := testEnv()
		env.Params = []types.Value{types.NewInt(3)}
		one := batch.Slice(0, 1)
		b.ReportAllocs()
		for b.Loop() {
			ev, err := NewEvaluator(env, e)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := ev.Select(one, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
