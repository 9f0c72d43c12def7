package service

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// addCheck adds a CHECK constraint; one without name gets one after the
// table's.
func (d *definition) addCheck(name string, def *sqlparser.CheckConstraintDefinition) error {
	if name == "" {
		name = d.generatedName("_chk_", func(yield func(string)) {
			for _, c := range d.Checks {
				yield(c.Name)
			}
		})
	} else if err := checkName(name, sqlerr.WrongNameForIndex, "constraint"); err != nil {
		return err
	}
	if d.Check(name) != nil {
		return sqlerr.CheckDupName.New("Duplicate check constraint name '%s'.", name).For(name)
	}
	if err := d.checkCondition(name, def.Expr); err != nil {
		return err
	}
	d.Checks = append(d.Checks, schema.Check{Name: name, Expr: sqlparser.CanonicalString(def.Expr), NotEnforced: !def.Enforced})
	return nil
}

// generatedName returns the table's name, the infix and a number above those of
// such names that there are.
func (d *definition) generatedName(infix string, names func(func(string))) string {
	last := 0
	names(func(name string) {
		if n, ok := generatedNumber(d.Name, infix, name); ok {
			last = max(last, n)
		}
	})
	return fmt.Sprintf("%s%s%d", d.Name, infix, last+1)
}

// generatedNumber returns the number in a name that generatedName gave.
func generatedNumber(table, infix, name string) (int, bool) {
	prefix := table + infix
	if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) || name[len(prefix)] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(name[len(prefix):], 10, 31)
	return int(n), err == nil
}

// checkCondition refuses what may not stand in a CHECK.
func (d *definition) checkCondition(name string, e sqlparser.Expr) error {
	if _, ok := e.(sqlparser.ValTuple); ok {
		return sqlerr.CheckRow.New("Check constraint '%s' cannot refer to a row value.", name).For(name)
	}
	err := sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *sqlparser.Variable, *sqlparser.Argument:
			return false, sqlerr.CheckVariable.New("An expression of a check constraint '%s' cannot refer to a user or system variable.", name).For(name)
		case *sqlparser.Subquery, sqlparser.AggrFunc, sqlparser.WindowFunc, *sqlparser.Default, *sqlparser.ValuesFuncExpr:
			return false, sqlerr.CheckSubquery.New("An expression of a check constraint '%s' contains disallowed function.", name).For(name)
		case *sqlparser.ColName:
			switch c := d.Column(n.Name.String()); {
			case c < 0 || d.Columns[c].Hidden || n.Qualifier.Name.String() != "" && n.Qualifier.Name.String() != d.Name:
				return false, sqlerr.CheckUnknownColumn.New("Check constraint '%s' refers to non-existing column '%s'.", name, n.Name.String()).For(name).In(n.Name.String())
			case d.Columns[c].AutoIncrement:
				return false, sqlerr.CheckAutoIncrement.New("Check constraint '%s' cannot refer to an auto-increment column.", name).For(name).In(n.Name.String())
			}
		}
		return true, nil
	}, e)
	if err != nil {
		return err
	}
	bound, err := plan.BindRow(d.Table, e)
	if err != nil {
		return err
	}
	if f := expr.Impure(bound); f != "" {
		return sqlerr.CheckFunction.New("An expression of a check constraint '%s' contains disallowed function: %s.", name, f).For(name)
	}
	if !isCondition(bound) {
		return sqlerr.CheckNotBoolean.New("An expression of non-boolean type specified to a check constraint '%s'.", name).For(name)
	}
	return nil
}

// isCondition reports whether e is a condition rather than a value, as MySQL
// tells them apart.
func isCondition(e expr.Expr) bool {
	switch e := e.(type) {
	case *expr.Column:
		return e.T == types.BoolType
	case *expr.Literal:
		return e.T == types.BoolType || e.T.Kind == types.Null
	case *expr.Arith, *expr.Neg:
		return false
	}
	return e.Type().IsInteger()
}

// dropCheck removes a CHECK constraint.
func (d *definition) dropCheck(name string) error {
	if d.Check(name) == nil {
		return errNoCheck(name)
	}
	d.Checks = slices.DeleteFunc(d.Checks, func(c schema.Check) bool { return strings.EqualFold(c.Name, name) })
	return nil
}

// dropConstraint runs DROP CONSTRAINT, which names a constraint of any kind.
func (d *definition) dropConstraint(ctx context.Context, s Scope, tx *store.Tx, name sqlparser.IdentifierCI) error {
	var found []sqlparser.DropKeyType
	if d.Check(name.String()) != nil {
		found = append(found, sqlparser.CheckKeyType)
	}
	if d.ForeignKey(name.String()) != nil {
		found = append(found, sqlparser.ForeignKeyType)
	}
	if ix := d.Index(name.String()); ix != nil && ix.Unique {
		found = append(found, sqlparser.NormalKeyType)
	}
	switch len(found) {
	case 0:
		return sqlerr.ConstraintNotFound.New("Constraint '%s' does not exist.", name.String()).For(name.String())
	case 1:
		return d.alter(ctx, s, tx, &sqlparser.DropKey{Type: found[0], Name: name})
	}
	return sqlerr.ConstraintAmbiguous.New("Table has multiple constraints with the name '%s'. Please use constraint specific 'DROP' clause.", name.String()).For(name.String())
}

func errNoCheck(name string) error {
	return sqlerr.CheckNotFound.New("Check constraint '%s' is not found in the table.", name).For(name)
}

// newlyEnforced returns the CHECKs of t that old rows need not satisfy.
func newlyEnforced(old, t *schema.Table) []*schema.Check {
	var list []*schema.Check
	for i := range t.Checks {
		c := &t.Checks[i]
		before := old.Check(c.Name)
		if !c.NotEnforced && (before == nil || before.NotEnforced || before.Expr != c.Expr) {
			list = append(list, c)
		}
	}
	return list
}

// checkRows finds out whether all rows of t, of all users, satisfy CHECKs.
func (s Scope) checkRows(ctx context.Context, tx *store.Tx, t *schema.Table, checks []*schema.Check) error {
	if len(checks) == 0 {
		return nil
	}
	satisfy, err := s.checker(ctx, t, checks)
	if err != nil {
		return err
	}
	return eachRow(ctx, tx, t, satisfy)
}

// checker returns a function that finds out whether whole rows of t satisfy CHECKs; it may
// change them.
func (s Scope) checker(ctx context.Context, t *schema.Table, checks []*schema.Check) (func(rows *types.Batch) error, error) {
	env := &expr.Env{Context: ctx, Now: s.Now, Zone: s.Zone, Database: s.Namespace, Warn: s.Warn}
	violated := make([]*expr.Evaluator, len(checks))
	for i, c := range checks {
		e, err := plan.BindCheck(t, c)
		if err != nil {
			return nil, err
		}
		if violated[i], err = expr.NewEvaluator(env, e); err != nil {
			return nil, err
		}
	}
	return func(rows *types.Batch) error {
		if s.Zone != nil {
			for _, v := range rows.Columns {
				if v.Type.Kind == types.Timestamp {
					types.ConvertZoneVector(v, time.UTC, s.Zone)
				}
			}
		}
		for i, c := range checks {
			bad, err := violated[i].Select(rows, nil)
			if err != nil {
				return err
			}
			if len(bad) > 0 {
				return sqlerr.CheckViolated.New("Check constraint '%s' is violated.", c.Name).On(t.QualifiedName()).For(c.Name)
			}
		}
		return nil
	}, nil
}

// eachRow calls f with all rows of t, of all users, as tx sees them.
func eachRow(ctx context.Context, tx *store.Tx, t *schema.Table, f func(*types.Batch) error) error {
	columns := make([]int, len(t.Columns))
	for i := range columns {
		columns[i] = i
	}
	sc := tx.AllUsers(t).Scan(store.ScanRequest{Columns: columns})
	defer sc.Close()
	rows, users := types.NewBatch(t.Types()), types.NewVector(types.BytesType, types.BatchRows)
	for {
		if err := sc.Next(ctx, rows, users); err != nil || rows.Len == 0 {
			return err
		}
		if err := f(rows); err != nil {
			return err
		}
	}
}

// checkUses reports whether a CHECK refers to a column.
func checkUses(c *schema.Check, column string) bool {
	e, err := parse.ParseExpr(c.Expr)
	if err != nil {
		return false // told when the CHECK is used
	}
	uses := false
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		if name, ok := n.(*sqlparser.ColName); ok && name.Name.EqualString(column) {
			uses = true
		}
		return !uses, nil
	}, e)
	return uses
}

// keepCheckColumns refuses to drop or rename columns that CHECKs refer to.
func keepCheckColumns(old, t *schema.Table) error {
	for i := range t.Checks {
		c := &t.Checks[i]
		for k := range old.Columns {
			if name := old.Columns[k].Name; t.Column(name) < 0 && checkUses(c, name) {
				return sqlerr.ColumnInCheck.New("Check constraint '%s' uses column '%s', hence column cannot be dropped or renamed.", c.Name, name).In(name).For(c.Name)
			}
		}
	}
	return nil
}
