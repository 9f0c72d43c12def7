package engine

import (
	"slices"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// arguments are those of one statement.
type arguments struct {
	types  []types.Type
	values []types.Value
	rows   *argumentRows // many rows of them, in place of values; or nil
}

// unsigned returns an argument that is an integer from 0 on.
func (a arguments) unsigned(i int) (n uint64, ok bool) {
	v := a.values[i]
	switch {
	case v.IsNull() || !a.types[i].IsInteger():
		return 0, false
	case v.Physical() == types.PhysUint64:
		return v.Uint(), true
	}
	return uint64(v.Int()), v.Int() >= 0
}

// checkArgs checks that args are as many, and named as, the text's parameters.
func (t *text) checkArgs(args []Arg) error {
	named := 0
	for i := range args {
		if args[i].Name != "" {
			named++
		}
	}
	switch {
	case t.named && named < len(args):
		return sqlerr.WrongArguments.New("The statement has named parameters; argument %d has no name", 1+firstUnnamed(args))
	case !t.named && named > 0:
		return sqlerr.WrongArguments.New("The statement has no named parameters")
	case !t.named && len(args) != t.positional:
		return sqlerr.WrongArguments.New("The statement has %d parameters, but %d arguments are given", t.positional, len(args))
	case t.named:
		for i := range args {
			if !t.hasParameter(args[i].Name) {
				return sqlerr.WrongArguments.New("The statement has no parameter :%s", args[i].Name)
			}
		}
	}
	return nil
}

func firstUnnamed(args []Arg) int {
	for i := range args {
		if args[i].Name == "" {
			return i
		}
	}
	return len(args)
}

func (t *text) hasParameter(name string) bool {
	for _, st := range t.statements {
		for _, n := range st.Names {
			if n == name {
				return true
			}
		}
	}
	return false
}

// statementArgs picks a statement's arguments out of those of the whole text. They
// lie in a's memory.
func statementArgs(st *parse.Statement, args []Arg, a arguments) (arguments, error) {
	if st.Params == 0 {
		return arguments{}, nil
	}
	a.types = slices.Grow(a.types[:0], st.Params)[:st.Params]
	a.values = slices.Grow(a.values[:0], st.Params)[:st.Params]
	for i := range st.Params {
		from := st.First + i
		if st.Names != nil {
			from = len(args)
			for k := range args {
				if args[k].Name == st.Names[i] {
					from = k
				}
			}
			if from == len(args) {
				return a, sqlerr.WrongArguments.New("Parameter :%s has no argument", st.Names[i])
			}
		}
		a.types[i], a.values[i] = args[from].Type, args[from].Value
	}
	return a, nil
}
