package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
	"github.com/kalamgo/kalam/engine/types"
)

// alterTable runs ALTER TABLE, CREATE INDEX and DROP INDEX.
//
// What the options ask for is made up as a new definition; reform.go finds out
// what has to happen to rows and entries. Indexes are built, and rows looked at, while others
// write; then the table's writers are kept away, and all is made up again and done.
func (c *Catalog) alterTable(ctx context.Context, s Scope, n *sqlparser.AlterTable, kind string) (err error) {
	at, err := s.name(n.Table)
	if err != nil {
		return err
	}
	if to, ok := onlyRenames(n); ok {
		if t, err := c.Table(ctx, at.namespace, at.table); err == nil && t.Kind == schema.Stream {
			if err := isKind(at, t.Kind, kind); err != nil {
				return err
			}
			return c.renameTables(ctx, s, &sqlparser.RenameTable{TablePairs: []*sqlparser.RenameTablePair{{FromTable: n.Table, ToTable: to}}})
		}
	}
	tx := c.txns.Begin(txn.Options{TableWait: s.LockWait, Under: s.Locks})
	defer tx.Rollback()
	stake := c.altered(ctx, s, at, n)
	if err := c.lockDefinitions(ctx, tx, stake); err != nil {
		return err
	}
	build, err := c.buildAhead(ctx, s, at, n, kind)
	if err != nil {
		return err
	}
	var counts bool // what was built, if the commit succeeds
	defer func() {
		if build != nil {
			if e := build.Close(ctx, counts); err == nil {
				err = e
			}
		}
	}()
	if build == nil {
		err = c.lockTables(ctx, tx, stake)
	} else {
		err = c.lockBetween(ctx, tx, s, stake, build)
	}
	if err != nil {
		return err
	}
	return c.commitChange(ctx, tx, s, func(tx *store.Tx) ([]*schema.Table, error) {
		a, err := c.alteration(ctx, s, tx, at, n, kind)
		if err != nil {
			return nil, err
		}
		c.checks = append(c.checks, func() error { return c.live.Alter(a.old, a.d.Table) })
		if a.d.StorageID() != a.old.StorageID() {
			c.gone, c.kept = append(c.gone, a.old), append(c.kept, a.d.Table)
		}
		a.record.Namespace, a.record.Name = a.d.Namespace, a.d.Name
		if err := newVersion(ctx, tx, s, a.record, a.d.Table); err != nil {
			return nil, err
		}
		if err := a.run(ctx, build); err != nil {
			return nil, err
		}
		if err := a.family.checkReferences(ctx, newForeignKeys(a.old, a.d.Table)); err != nil {
			return nil, err
		}
		counts = true
		return append(a.followed, a.old, a.d.Table), nil
	})
}

// onlyRenames returns the name that an ALTER TABLE gives a table, if it does nothing else.
func onlyRenames(n *sqlparser.AlterTable) (to sqlparser.TableName, ok bool) {
	if len(n.AlterOptions) != 1 {
		return to, false
	}
	o, ok := n.AlterOptions[0].(*sqlparser.RenameTableName)
	if ok {
		to = o.Table
	}
	return to, ok
}

// ahead is a build of indexes, of none where rows only are looked at, before the alteration that
// asks for them is made.
type ahead struct {
	*store.IndexBuild
	alteration *alteration
}

// run builds while others write to the table.
func (a *ahead) run(ctx context.Context) error { return a.alteration.built(a.Run(ctx)) }

// buildAhead builds the indexes that an alteration asks for, and looks at rows if it has to,
// while others write to the table. It returns nil if there is nothing to do, or writers have to
// wait anyway.
func (c *Catalog) buildAhead(ctx context.Context, s Scope, at name, n *sqlparser.AlterTable, kind string) (*ahead, error) {
	s.Warn = func(error) {} // they come when it is done
	var a *alteration
	err := c.read(func(tx *store.Tx) (err error) {
		a, err = c.alteration(ctx, s, tx, at, n, kind)
		return err
	})
	if err != nil || len(a.build) == 0 && !a.check || a.rewrite || waits(n.AlterOptions) {
		return nil, err
	}
	var check func(*types.Batch) error
	if a.check {
		if check, err = a.checkAhead(ctx); check == nil || err != nil {
			return nil, err
		}
	}
	b, err := store.NewIndexBuild(ctx, c.db, a.d.Table, a.build...)
	if err != nil {
		return nil, err
	}
	b.Check = check
	build := &ahead{b, a}
	if err := build.run(ctx); err != nil {
		b.Close(ctx, false) // Sweep would, too
		return nil, err
	}
	return build, nil
}

// The locks of tables that were written while indexes were built are waited for a
// little longer each time.
const (
	firstTableWait   = 20 * time.Millisecond
	longestTableWait = time.Second
)

// lockBetween locks the tables as lockTables does when writers let it. As long as a
// long transaction does not, other writers, who would have to wait behind it, go on
// most of the time, and the build follows them.
func (c *Catalog) lockBetween(ctx context.Context, tx *txn.Tx, s Scope, stake func() ([]*schema.Table, error), build *ahead) error {
	held := tx.Locks()
	end := time.Now().Add(cmp.Or(s.LockWait, txn.DefaultLockWait))
	for wait := firstTableWait; ; wait = min(2*wait, longestTableWait) {
		left := max(time.Until(end), 1)
		tx.SetLockWait(left, min(wait, left))
		err := c.lockTables(ctx, tx, stake)
		if !errors.Is(err, sqlerr.LockWaitTimeout) || left <= wait {
			return err
		}
		tx.ReleaseLocks(held)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		if err := build.run(ctx); err != nil {
			return err
		}
	}
}

// waits reports whether writers shall wait.
func waits(options []sqlparser.AlterOption) bool {
	return slices.ContainsFunc(options, func(o sqlparser.AlterOption) bool {
		l, ok := o.(*sqlparser.LockOption)
		return ok && (l.Type == sqlparser.SharedType || l.Type == sqlparser.ExclusiveType)
	})
}

// alteration is what an ALTER TABLE is to do.
type alteration struct {
	reform
	family   family
	record   *sqlmeta.Table
	followed []*schema.Table // others that change with the table
}

// alteration makes up the new definition, and what has to be done for it.
func (c *Catalog) alteration(ctx context.Context, s Scope, tx *store.Tx, at name, n *sqlparser.AlterTable, kind string) (*alteration, error) {
	r, old, err := c.alterable(ctx, tx, at, kind)
	if err != nil {
		return nil, err
	}
	d := redefine(old)
	d.zeroDates = s.ZeroDates
	for i, phase := range alterPhases {
		if i == renamingPhase {
			if err := d.rename(n.AlterOptions); err != nil {
				return nil, err
			}
		}
		for _, o := range n.AlterOptions {
			if phase(o) {
				if err := d.alter(ctx, s, tx, o); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := d.foreignKeyIndexes(d.added); err != nil {
		return nil, err
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	a := &alteration{record: r, family: family{tx, s, d.Table}, reform: reform{c: c, s: s, tx: tx, old: old, d: d}}
	if a.followed, err = a.family.follow(ctx, old); err != nil {
		return nil, err
	}
	if err := d.addConstraints(d.added); err != nil {
		return nil, err
	}
	if err := keepCheckColumns(old, d.Table); err != nil {
		return nil, err
	}
	if err := a.family.checkDefinitions(ctx, old); err != nil {
		return nil, err
	}
	if err := a.plan(ctx); err != nil {
		return nil, err
	}
	return a, a.allowed(n.AlterOptions)
}

// redefine begins a changed definition of a table.
func redefine(old *schema.Table) *definition {
	d := &definition{Table: copyOf(old), primary: true, collation: old.TextCollation(), source: map[uint32]uint32{}}
	if old.HasRowID() {
		n := len(d.Columns) - 1
		d.rowID, d.Columns, d.PrimaryKey, d.primary = d.Columns[n], d.Columns[:n], nil, false
	}
	return d
}

// alterPhases tell the order in which options take effect: what goes makes room
// for what comes, and keys are of the columns as they will be.
var alterPhases = []func(sqlparser.AlterOption) bool{
	func(o sqlparser.AlterOption) bool {
		d, ok := o.(*sqlparser.DropKey)
		return ok && d.Type != sqlparser.PrimaryKeyType
	},
	func(o sqlparser.AlterOption) bool {
		switch o := o.(type) {
		case *sqlparser.DropKey:
			return o.Type == sqlparser.PrimaryKeyType
		case sqlparser.TableOptions, *sqlparser.AlterCharset:
			return true
		}
		return false
	},
	func(o sqlparser.AlterOption) bool {
		_, ok := o.(*sqlparser.DropColumn)
		return ok
	},
	func(o sqlparser.AlterOption) bool {
		switch o.(type) {
		case *sqlparser.DropKey, *sqlparser.DropColumn, sqlparser.TableOptions, *sqlparser.AlterCharset, *sqlparser.AddIndexDefinition:
			return false
		}
		return true
	},
	func(o sqlparser.AlterOption) bool {
		_, ok := o.(*sqlparser.AddIndexDefinition)
		return ok
	},
}

// renamingPhase is the phase before which columns get their new names.
const renamingPhase = 3

// checkAlter refuses what cannot be altered.
func checkAlter(n *sqlparser.AlterTable) error {
	if n.PartitionSpec != nil || n.PartitionOption != nil {
		return sqlerr.Unsupported("PARTITION BY")
	}
	for _, o := range n.AlterOptions {
		if err := checkAlterOption(o); err != nil {
			return err
		}
	}
	return nil
}

func checkAlterOption(o sqlparser.AlterOption) error {
	switch o := o.(type) {
	case *sqlparser.DropKey, *sqlparser.AddConstraintDefinition:
		return nil
	case sqlparser.AlgorithmValue:
		switch strings.ToLower(string(o)) {
		case "default", "copy", "inplace", "instant":
			return nil
		}
		return sqlerr.UnknownAlgorithm.New("Unknown ALGORITHM '%s'", string(o))
	case *sqlparser.AddIndexDefinition, *sqlparser.AddColumns, *sqlparser.AlterColumn, *sqlparser.ChangeColumn, *sqlparser.ModifyColumn,
		*sqlparser.RenameColumn, *sqlparser.DropColumn, *sqlparser.AlterCharset, *sqlparser.AlterCheck, *sqlparser.AlterIndex,
		*sqlparser.RenameTableName, *sqlparser.RenameIndex, *sqlparser.LockOption, *sqlparser.Force, *sqlparser.Validation, sqlparser.TableOptions:
		return nil
	case *sqlparser.OrderByOption:
		return sqlerr.Unsupported("ALTER TABLE ORDER BY")
	case *sqlparser.KeyState: // asks for nothing of a transactional table, as InnoDB's
		return nil
	case *sqlparser.TablespaceOperation:
		return sqlerr.Unsupported("TABLESPACE")
	}
	return sqlerr.Unsupported("ALTER TABLE %s", sqlparser.String(o))
}

// alter takes one option over in the definition.
func (d *definition) alter(ctx context.Context, s Scope, tx *store.Tx, o sqlparser.AlterOption) error {
	switch o := o.(type) {
	case *sqlparser.AddColumns:
		return d.addColumns(o)
	case *sqlparser.DropColumn:
		return d.dropColumn(o.Name)
	case *sqlparser.ModifyColumn:
		return d.changeColumn(o.NewColDefinition, o.First, o.After)
	case *sqlparser.ChangeColumn:
		return d.changeColumn(o.NewColDefinition, o.First, o.After)
	case *sqlparser.AlterColumn:
		return d.alterColumn(o)
	case *sqlparser.AlterCharset:
		return d.convertCharset(o)
	case *sqlparser.AddIndexDefinition:
		k, err := d.indexKey(o.IndexDefinition)
		if err != nil {
			return err
		}
		d.keys = append(d.keys, k)
	case *sqlparser.AddConstraintDefinition:
		d.added = append(d.added, o.ConstraintDefinition)
	case *sqlparser.AlterCheck:
		c := d.Check(o.Name.String())
		if c == nil {
			return errNoCheck(o.Name.String())
		}
		c.NotEnforced = !o.Enforced
	case *sqlparser.DropKey:
		return d.dropKey(ctx, s, tx, o)
	case *sqlparser.RenameIndex:
		ix := d.Index(o.OldName.String())
		if ix == nil {
			return sqlerr.KeyNotFound.New("Key '%s' doesn't exist in table '%s'", o.OldName.String(), d.Name)
		}
		name := o.NewName.String()
		if err := checkName(name, sqlerr.WrongNameForIndex, "index"); err != nil {
			return err
		}
		if other := d.Index(name); other != nil && other != ix {
			return errDupKeyName(name)
		}
		ix.Name = name
	case *sqlparser.AlterIndex:
		ix := d.Index(o.Name.String())
		if ix == nil {
			if o.Name.EqualString("PRIMARY") && d.primary {
				return errPrimaryInvisible()
			}
			return sqlerr.KeyNotFound.New("Key '%s' doesn't exist in table '%s'", o.Name.String(), d.Name)
		}
		ix.Invisible = o.Invisible
	case *sqlparser.RenameTableName:
		to, err := s.name(o.Table)
		if err != nil {
			return err
		}
		if err := checkName(to.table, sqlerr.WrongTableName, "table"); err != nil {
			return err
		}
		if _, err := sqlmeta.NamespaceByName(ctx, tx, to.namespace); err != nil {
			return err
		}
		d.Namespace, d.Name = to.namespace, to.table
	case *sqlparser.Force:
		d.rewrite = true
	case sqlparser.TableOptions:
		return d.options(o)
	}
	return nil
}

func (d *definition) dropKey(ctx context.Context, s Scope, tx *store.Tx, o *sqlparser.DropKey) error {
	missing := sqlerr.CantDropKey.New("Can't DROP '%s'; check that column/key exists", o.Name.String())
	switch o.Type {
	case sqlparser.CheckKeyType:
		return d.dropCheck(o.Name.String())
	case sqlparser.ForeignKeyType:
		return d.dropForeignKey(o.Name.String())
	case sqlparser.ConstraintType:
		return d.dropConstraint(ctx, s, tx, o.Name)
	case sqlparser.PrimaryKeyType:
		if !d.primary {
			return sqlerr.CantDropKey.New("Can't DROP 'PRIMARY'; check that column/key exists")
		}
		d.primary, d.PrimaryKey, d.PrimaryParts = false, nil, nil
		return nil
	}
	ix := d.Index(o.Name.String())
	if ix == nil {
		if o.Name.EqualString("PRIMARY") && d.primary {
			return d.dropKey(ctx, s, tx, &sqlparser.DropKey{Type: sqlparser.PrimaryKeyType})
		}
		return missing
	}
	d.removeIndex(ix.ID)
	return nil
}

// removeIndex removes an index, and the hidden columns that were only for it.
func (d *definition) removeIndex(id uint32) {
	var hidden []uint32
	for _, ix := range d.Indexes {
		for _, c := range ix.Columns {
			if col := &d.Columns[c]; ix.ID == id && col.Generated != "" && col.Hidden && !col.Invisible {
				hidden = append(hidden, col.ID)
			}
		}
	}
	d.Indexes = slices.DeleteFunc(d.Indexes, func(x schema.Index) bool { return x.ID == id })
	if len(hidden) > 0 {
		d.arrange(slices.DeleteFunc(d.order(), func(c int) bool { return slices.Contains(hidden, d.Columns[c].ID) }))
	}
}

// convertCharset runs CONVERT TO CHARACTER SET.
func (d *definition) convertCharset(o *sqlparser.AlterCharset) error {
	id, err := charsetCollation(o.CharacterSet)
	if err == nil && o.Collate != "" {
		id, err = tableCollation(o.Collate)
	}
	if err != nil {
		return err
	}
	d.setCollation(id)
	for i := range d.Columns {
		if t := &d.Columns[i].Type; t.IsText() || t.Members != nil {
			t.Collation = id
		}
	}
	return nil
}
