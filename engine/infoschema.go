package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/colldata"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// catalogName is the only catalogue, in MySQL's words.
var catalogName = types.NewString("def")

// rowAdder adds a row of values given as strings, integers, times, types.Values or nil.
type rowAdder func(values ...any)

// information returns what makes the rows of a table of information_schema.
// Tables that are not in its list are those of what Kalam does not have.
func (s *Session) information(table string) tables.Information {
	return func(ctx context.Context, wanted tables.Wanted, add func(...types.Value)) error {
		adder := func(values ...any) {
			row := make([]types.Value, len(values), len(values)+1)
			for i, v := range values {
				row[i] = s.infoValue(v)
			}
			add(row...)
		}
		switch table {
		case "SCHEMATA":
			return s.eachNamespace(ctx, wanted, func(namespace string) error {
				collation, err := s.collation(ctx, namespace)
				if err != nil {
					return err
				}
				adder(catalogName, namespace, types.CharsetName(collation), types.CollationName(collation), nil, "NO")
				return nil
			})
		case "TABLES":
			return s.eachTable(ctx, wanted, func(t *schema.Table) error { return s.infoTable(ctx, t, adder) })
		case "COLUMNS":
			return s.eachTable(ctx, wanted, func(t *schema.Table) error { return s.infoColumns(ctx, t, adder) })
		case "STATISTICS":
			return s.eachTable(ctx, wanted, func(t *schema.Table) error { s.infoStatistics(t, adder); return nil })
		case "TABLE_CONSTRAINTS":
			return s.eachTable(ctx, wanted, func(t *schema.Table) error { infoConstraints(t, adder); return nil })
		case "KEY_COLUMN_USAGE":
			return s.eachTable(ctx, wanted, func(t *schema.Table) error { infoKeyColumns(t, adder); return nil })
		case "REFERENTIAL_CONSTRAINTS":
			return s.eachTable(ctx, wanted, func(t *schema.Table) error { return s.infoForeignKeys(ctx, t, adder) })
		case "CHECK_CONSTRAINTS":
			// Its key has no table: every one of the namespace may have some.
			named := func(key ...string) bool { return wanted(key[0]) }
			return s.eachTable(ctx, named, func(t *schema.Table) error { infoChecks(t, adder); return nil })
		case "TRIGGERS":
			named := func(key ...string) bool { return wanted(key[0]) } // as above
			return s.eachTable(ctx, named, func(t *schema.Table) error { return s.infoTriggers(ctx, t, adder) })
		case "VIEWS":
			return s.eachTable(ctx, wanted, func(t *schema.Table) error { s.infoView(ctx, t, adder); return nil })
		case "ENGINES":
			adder("Kalam", "DEFAULT", "Rows in RocksDB; transactions, row locks", "YES", "NO", "YES")
		case "CHARACTER_SETS":
			adder("utf8mb4", defaultCollation, "UTF-8 Unicode", 4)
		case "COLLATIONS":
			infoCollations(adder)
		case "COLLATION_CHARACTER_SET_APPLICABILITY":
			for _, c := range knownCollations() {
				adder(c.name, c.charset)
			}
		case "PROCESSLIST":
			return s.infoProcesses(ctx, adder)
		}
		return nil
	}
}

// informationFor is information as a user sees it, whenever it is read.
func (s *Session) informationFor(user, table string) tables.Information {
	read := s.information(table)
	return func(ctx context.Context, wanted tables.Wanted, add func(...types.Value)) error {
		self := s.user
		s.user = user
		defer func() { s.user = self }()
		return read(ctx, wanted, add)
	}
}

var defaultCollation = types.CollationName(types.DefaultCollation)

func (s *Session) infoValue(v any) types.Value {
	switch v := v.(type) {
	case string:
		return types.NewString(v)
	case int:
		return types.NewUint(uint64(v))
	case int64:
		return types.NewUint(uint64(v))
	case uint64:
		return types.NewUint(v)
	case time.Time:
		if !v.IsZero() {
			return types.NewInt(types.TimeToPacked(v.In(s.zone), 0))
		}
	case types.Value: // numbers are unsigned here
		if !v.IsNull() && v.Physical() == types.PhysInt64 {
			return types.NewUint(v.Uint())
		}
		return v
	}
	return types.Value{}
}

func (s *Session) eachNamespace(ctx context.Context, wanted tables.Wanted, f func(string) error) error {
	names, err := s.engine.catalog.Namespaces(ctx)
	for _, n := range names {
		if err == nil && wanted(n) {
			err = f(n)
		}
	}
	return err
}

// eachTable calls f with the tables that are wanted, in order. One that is
// dropped meanwhile is left out.
func (s *Session) eachTable(ctx context.Context, wanted tables.Wanted, f func(*schema.Table) error) error {
	return s.eachNamespace(ctx, wanted, func(namespace string) error {
		names, err := s.engine.catalog.TableNames(ctx, namespace)
		if gone(err) {
			return nil
		}
		for _, n := range names {
			if err != nil || !wanted(namespace, n) {
				continue
			}
			t, e := s.engine.catalog.Table(ctx, namespace, n)
			switch {
			case gone(e):
			case e != nil:
				err = e
			default:
				var seen bool
				if seen, err = s.sees(ctx, t); seen {
					err = f(t)
				}
			}
		}
		return err
	})
}

// gone reports whether err says that a table or its namespace is not there.
func gone(err error) bool {
	e := sqlerr.As(err)
	return e != nil && (e.Kind == sqlerr.NoSuchTable || e.Kind == sqlerr.BadDatabase)
}

func (s *Session) infoTable(ctx context.Context, t *schema.Table, add rowAdder) error {
	head := []any{catalogName, t.Namespace, t.Name, tableKind(t)}
	switch t.Kind {
	case schema.Viewed, schema.System:
		rest := make([]any, 17)
		rest[16] = ""
		if t.Kind == schema.Viewed {
			rest[16] = "VIEW"
		}
		add(append(head, rest...)...)
		return nil
	}
	created, err := s.engine.catalog.Created(ctx, t)
	if gone(err) || err != nil && sqlerr.As(err) != nil && sqlerr.As(err).Kind == sqlerr.NoSuchRecord {
		return nil
	}
	rows := any(nil) // of a table of which each user has his own, nobody is told
	if t.Kind == schema.Shared {
		rows = s.engine.catalog.Estimate(t)
	}
	add(append(head, "Kalam", 10, "Dynamic", rows, 0, 0, 0, 0, 0, nil, created, nil, nil, defaultCollation, nil, createOptions(t), t.Comment)...)
	return err
}

func (s *Session) infoColumns(ctx context.Context, t *schema.Table, add rowAdder) error {
	t, err := s.described(ctx, t)
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.ViewInvalid {
		s.warn(err)
		return nil
	}
	if err != nil {
		return err
	}
	_, shown := showColumns(t, true)
	n := 0
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Hidden && !c.Invisible {
			continue
		}
		row := shown[n] // Field, Type, Collation, Null, Key, Default, Extra, Privileges, Comment
		n++
		charset := any(nil)
		if !row[2].IsNull() {
			charset = types.CharsetName(c.Type.Collation)
		}
		chars, bytes := textLength(c.Type)
		precision, scale := numericPrecision(c.Type)
		fraction := any(nil)
		if k := c.Type.Kind; k == types.Time || k == types.DateTime || k == types.Timestamp {
			fraction = max(c.Type.Scale, 0)
		}
		srid := any(nil)
		if c.Type.IsSpatial() && c.Type.Size >= 0 {
			srid = c.Type.Size
		}
		add(catalogName, t.Namespace, t.Name, c.Name, n, row[5], row[3], c.Type.Kind.String(), chars, bytes, precision, scale, fraction,
			charset, row[2], row[1], row[4], row[6], row[7], row[8], c.Generated, srid)
	}
	return nil
}

// textLength returns the most characters and bytes of a text or bytes, nil of
// others.
func textLength(t types.Type) (chars, bytes any) {
	switch t.Kind {
	case types.TinyText, types.TinyBlob:
		return 255, 255
	case types.Text, types.Blob:
		return 65535, 65535
	case types.MediumText, types.MediumBlob:
		return 16777215, 16777215
	case types.LongText, types.LongBlob:
		return 4294967295, 4294967295
	case types.Enum, types.Set:
		most, sum := 0, 0
		for _, m := range t.Members.Names {
			n := len([]rune(m))
			most, sum = max(most, n), sum+n+1
		}
		if t.Kind == types.Set {
			most = max(sum-1, 0)
		}
		return most, 4 * most
	}
	switch {
	case t.IsText() && t.Size >= 0:
		return t.Size, 4 * t.Size
	case t.IsText():
		return 4294967295, 4294967295
	case t.IsBinary() && !t.IsSpatial() && t.Size >= 0:
		return t.Size, t.Size
	}
	return nil, nil
}

// numericPrecision returns the digits of a number, nil of others.
func numericPrecision(t types.Type) (precision, scale any) {
	if t.HasPlaces() {
		return t.Size, t.Scale
	}
	switch t.Kind {
	case types.TinyInt:
		return 3, 0
	case types.SmallInt:
		return 5, 0
	case types.MediumInt:
		return 7, 0
	case types.Int:
		return 10, 0
	case types.BigInt:
		if t.Unsigned {
			return 20, 0
		}
		return 19, 0
	case types.Decimal:
		return t.Size, t.Scale
	case types.Float:
		return 12, nil
	case types.Double:
		return 22, nil
	case types.Bit:
		return max(t.Size, 1), nil
	}
	return nil, nil
}

func (s *Session) infoStatistics(t *schema.Table, add rowAdder) {
	if t.Kind == schema.System {
		return
	}
	_, rows := s.showIndexes(t)
	for _, r := range rows {
		// Table, Non_unique, Key_name, Seq_in_index, Column_name, Collation, Cardinality, Sub_part, Packed, Null,
		// Index_type, Comment, Index_comment, Visible, Expression
		add(catalogName, t.Namespace, t.Name, r[1], t.Namespace, r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14])
	}
}

// uniqueKeys calls f with the name and columns of the primary and unique keys.
func uniqueKeys(t *schema.Table, f func(name string, columns []string)) {
	if t.Kind == schema.System || t.Kind == schema.Viewed {
		return
	}
	key := func(ix *schema.Index) []string {
		var names []string
		parts, own := t.Key(ix)
		for _, k := range parts[:own] {
			names = append(names, t.Columns[k.Column].Name)
		}
		return names
	}
	if !t.HasRowID() {
		f("PRIMARY", key(nil))
	}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.Unique {
			f(ix.Name, key(ix))
		}
	}
}

func infoConstraints(t *schema.Table, add rowAdder) {
	uniqueKeys(t, func(name string, _ []string) {
		kind := "UNIQUE"
		if name == "PRIMARY" {
			kind = "PRIMARY KEY"
		}
		add(catalogName, t.Namespace, name, t.Namespace, t.Name, kind, "YES")
	})
	for i := range t.ForeignKeys {
		add(catalogName, t.Namespace, t.ForeignKeys[i].Name, t.Namespace, t.Name, "FOREIGN KEY", "YES")
	}
	for i := range t.Checks {
		enforced := "YES"
		if t.Checks[i].NotEnforced {
			enforced = "NO"
		}
		add(catalogName, t.Namespace, t.Checks[i].Name, t.Namespace, t.Name, "CHECK", enforced)
	}
}

// infoForeignKeys lists a table's foreign keys with the unique key that each
// references, where there is one.
func (s *Session) infoForeignKeys(ctx context.Context, t *schema.Table, add rowAdder) error {
	for i := range t.ForeignKeys {
		f := &t.ForeignKeys[i]
		parent, err := s.engine.catalog.Table(ctx, f.Namespace, f.Table)
		if err != nil && !gone(err) {
			return err
		}
		unique := any(nil)
		if err == nil {
			uniqueKeys(parent, func(name string, columns []string) {
				if unique == nil && slices.EqualFunc(columns, f.Referenced, strings.EqualFold) {
					unique = name
				}
			})
		}
		add(catalogName, t.Namespace, f.Name, catalogName, f.Namespace, unique, "NONE", actionName(f.OnUpdate), actionName(f.OnDelete),
			t.Name, f.Table)
	}
	return nil
}

func actionName(a schema.Action) string {
	if a == schema.NoAction {
		return "NO ACTION"
	}
	return string(a)
}

func infoChecks(t *schema.Table, add rowAdder) {
	for i := range t.Checks {
		add(catalogName, t.Namespace, t.Checks[i].Name, t.Checks[i].Expr)
	}
}

func infoKeyColumns(t *schema.Table, add rowAdder) {
	uniqueKeys(t, func(name string, columns []string) {
		for i, c := range columns {
			add(catalogName, t.Namespace, name, catalogName, t.Namespace, t.Name, c, i+1, nil, nil, nil, nil)
		}
	})
	for k := range t.ForeignKeys {
		f := &t.ForeignKeys[k]
		for i, c := range f.Columns {
			add(catalogName, t.Namespace, f.Name, catalogName, t.Namespace, t.Name, c, i+1, i+1, f.Namespace, f.Table, f.Referenced[i])
		}
	}
}

func (s *Session) infoView(ctx context.Context, t *schema.Table, add rowAdder) {
	if t.Kind != schema.Viewed {
		return
	}
	updatable, check := "NO", "NONE"
	if plan.Updatable(ctx, t, s.planOptions("", nil)) {
		updatable = "YES"
	}
	if t.View.Check != schema.NoCheck {
		check = string(t.View.Check)
	}
	definer, security := s.viewDefiner(t)
	add(catalogName, t.Namespace, t.Name, t.View.Select, check, updatable, definer, security, "utf8mb4", defaultCollation)
}

func infoCollations(add rowAdder) {
	for _, c := range knownCollations() {
		isDefault, pad := "", "PAD SPACE"
		if c.id == types.DefaultCollation {
			isDefault = "Yes"
		}
		if c.noPad {
			pad = "NO PAD"
		}
		add(c.name, c.charset, uint64(c.id), isDefault, "Yes", 1, pad)
	}
}

// collation describes a collation that columns may have.
type collation struct {
	name, charset string
	id            collations.ID
	noPad         bool
}

// knownCollations returns the collations that columns may have, by name.
func knownCollations() []collation {
	var list []collation
	for _, c := range colldata.All(collations.MySQL8()) {
		name := c.Name()
		if _, err := types.LookupCollation(name); err != nil {
			continue
		}
		charset, _, _ := strings.Cut(name, "_")
		list = append(list, collation{name, charset, c.ID(), strings.Contains(name, "_0900_") || c.ID() == types.DefaultCollation || name == "binary"})
	}
	return list
}
