package plan

import (
	"fmt"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

// Lock passes rows on once the tables' rows that they are made of are locked.
// Rows of which one is locked by others are left out where the target says so.
type Lock struct {
	Input   Node
	Targets []LockTarget
	Limit   expr.Expr // rows that suffice: no more are locked; or nil
}

// LockTarget is a table whose rows are locked.
type LockTarget struct {
	Table *schema.Table
	Alias string
	Key   []int // where the input has the primary key's columns
	Mode  store.LockMode
	Wait  store.LockWait
}

// Inputs returns the node's input.
func (n *Lock) Inputs() []Node { return []Node{n.Input} }

func (n *Lock) text() string {
	parts := make([]string, len(n.Targets))
	for i, t := range n.Targets {
		parts[i] = t.Alias + " for update"
		if t.Mode != store.LockExclusive {
			parts[i] = t.Alias + " for share"
		}
		parts[i] += [...]string{"", " nowait", " skip locked"}[t.Wait]
	}
	return fmt.Sprintf("Lock %s", strings.Join(parts, ", ")) + optional(", limit ", n.Limit)
}

// lockRel locks the rows of tables.
type lockRel struct {
	in      logical
	targets []rowLock
}

type rowLock struct {
	rel  *tableRel
	mode store.LockMode
	wait store.LockWait
}

func (r *lockRel) columns(s colSet)   { r.in.columns(s) }
func (r *lockRel) inputs() []*logical { return []*logical{&r.in} }
func (r *lockRel) exprs() []expr.Expr { return nil }

// locking returns rel with the rows of FROM's tables locked as a SELECT's locking
// clauses say; tables in derived tables and subqueries are not locked by them.
func (b *builder) locking(rel logical, lock sqlparser.Lock, fr *from) (logical, error) {
	clauses, err := lockClauses(lock, b.o.Locking)
	if err != nil || len(clauses) == 0 {
		return rel, err
	}
	l := &lockRel{in: rel}
	for _, c := range clauses {
		of := c.Of
		if of == nil {
			for _, s := range fr.sources {
				of = append(of, sqlparser.TableName{Qualifier: sqlparser.NewIdentifierCS(s.namespace), Name: sqlparser.NewIdentifierCS(s.alias)})
			}
		}
		for _, name := range of {
			t := b.lockedTable(fr, name)
			switch {
			case t == nil && c.Of != nil:
				return nil, sqlerr.UnresolvedTableLock.New("Unresolved table name `%s` in locking clause.", name.Name.String())
			case t == nil || t.table.Kind == schema.System:
				continue
			}
			for _, known := range l.targets {
				if known.rel == t {
					return nil, sqlerr.DuplicateTableLock.New("Table '%s' appears in multiple locking clauses.", name.Name.String())
				}
			}
			if c.mode() == store.LockExclusive {
				if err := b.need(t.table, rights.Update); err != nil {
					return nil, err
				}
			}
			l.targets = append(l.targets, rowLock{t, c.mode(), c.wait()})
			b.locks = append(b.locks, t.table)
		}
	}
	if len(l.targets) == 0 {
		return rel, nil
	}
	return l, nil
}

// lockedTable returns the table of FROM that a locking clause names, nil if there is
// none or it is a derived one.
func (b *builder) lockedTable(fr *from, name sqlparser.TableName) *tableRel {
	for _, s := range fr.sources {
		if s.named(name) && len(s.cols) > 0 {
			return b.cols[s.cols[0].id].rel
		}
	}
	return nil
}

// lockClause is a locking clause of one SELECT.
type lockClause struct {
	sqlparser.Lock
	Of []sqlparser.TableName // nil: all
}

// lockClauses returns a SELECT's locking clauses; list are those of the statement
// that the grammar doesn't have.
func lockClauses(lock sqlparser.Lock, list []parse.Locking) ([]lockClause, error) {
	if lock == sqlparser.NoLock {
		return nil, nil
	}
	at, more := parse.LockingOf(lock)
	if !more {
		return []lockClause{{Lock: lock}}, nil
	}
	if at >= len(list) {
		return nil, sqlerr.Unsupported("FOR UPDATE OF here")
	}
	var clauses []lockClause
	for _, c := range list[at] {
		clauses = append(clauses, lockClause(c))
	}
	return clauses, nil
}

func (c *lockClause) mode() store.LockMode {
	switch c.Lock {
	case sqlparser.ForUpdateLock, sqlparser.ForUpdateLockNoWait, sqlparser.ForUpdateLockSkipLocked:
		return store.LockExclusive
	}
	return store.LockShared
}

func (c *lockClause) wait() store.LockWait {
	switch c.Lock {
	case sqlparser.ForUpdateLockNoWait, sqlparser.ForShareLockNoWait:
		return store.FailLocked
	case sqlparser.ForUpdateLockSkipLocked, sqlparser.ForShareLockSkipLocked:
		return store.SkipLocked
	}
	return store.WaitLocked
}

// lockLate moves a lock of rows, which is on top of FROM and WHERE, up to where
// ORDER BY has put them in order, so that LIMIT need lock no others. With groups,
// windows or DISTINCT it stays: it locks what they are made of.
func lockLate(rel logical, lock *lockRel) logical {
	if sort := sortOver(rel, lock); sort != nil {
		sort.in = without(sort.in, lock)
		lock.in = sort
		return onSort(rel, sort, lock)
	}
	return rel
}

// sortOver returns the sort between rel and lock, if there is nothing else but
// LIMIT and computed columns.
func sortOver(rel, lock logical) (sort *sortRel) {
	for rel != lock {
		switch r := rel.(type) {
		case *extendRel:
			rel = r.in
		case *limitRel:
			rel = r.in
		case *sortRel:
			sort, rel = r, r.in
		default:
			return nil
		}
	}
	return sort
}

func without(rel logical, lock *lockRel) logical {
	if x, ok := rel.(*extendRel); ok {
		x.in = without(x.in, lock)
		return x
	}
	return lock.in
}

func onSort(rel logical, sort *sortRel, lock *lockRel) logical {
	switch r := rel.(type) {
	case *extendRel:
		r.in = onSort(r.in, sort, lock)
	case *limitRel:
		r.in = onSort(r.in, sort, lock)
	case *sortRel:
		return lock
	}
	return rel
}

func (b *builder) lowerLock(l *lockRel, need colSet, h hint) *phys {
	down := need.with()
	for _, t := range l.targets {
		for _, c := range t.rel.table.PrimaryKey {
			down[t.rel.first+c] = true
		}
	}
	limit := h.limit
	h.limit = nil // rows may be left out, and more are not to be locked
	in := b.lower(l.in, down, h)
	n := &Lock{Input: in.node, Limit: limit}
	for _, t := range l.targets {
		x := LockTarget{Table: t.rel.table, Alias: t.rel.alias, Mode: t.mode, Wait: t.wait}
		for _, c := range t.rel.table.PrimaryKey {
			x.Key = append(x.Key, in.position(t.rel.first+c))
		}
		n.Targets = append(n.Targets, x)
	}
	out := *in
	out.node = n
	out.cost += in.rows * 0.2
	return &out
}
