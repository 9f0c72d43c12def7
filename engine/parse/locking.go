package parse

import (
	"vitess.io/vitess/go/vt/sqlparser"
)

// Locking are the locking clauses of a SELECT that the grammar lacks: those with
// OF, and several.
type Locking []struct {
	sqlparser.Lock
	Of []sqlparser.TableName // nil: all
}

// beyond is the first of the Lock values that stand for one of Statement.Locking.
const beyond sqlparser.Lock = 32

// LockingOf returns which of Statement.Locking a SELECT's lock stands for; false
// if it is one of the grammar's own.
func LockingOf(l sqlparser.Lock) (int, bool) { return int(l - beyond), l >= beyond }

// lockings finds locking clauses: FOR {UPDATE | SHARE} [OF name, …] [NOWAIT | SKIP
// LOCKED], and LOCK IN SHARE MODE.
type lockings struct {
	all  []Locking
	open bool // the last of all may go on with the next token
	name bool // within OF
}

// add takes note of token t, which comes after last.
func (l *lockings) add(p *piece, t, last token) {
	n := len(l.all) - 1
	switch {
	case (t.typ == sqlparser.UPDATE || t.typ == sqlparser.SHARE) && last.typ == sqlparser.FOR:
		lock := sqlparser.ForUpdateLock
		if t.typ == sqlparser.SHARE {
			lock = sqlparser.ForShareLock
		}
		if l.open { // a further clause of the same SELECT
			p.replace(last, t, "")
		} else {
			l.all = append(l.all, nil)
			n++
		}
		l.all[n] = append(l.all[n], Locking{{Lock: lock}}...)
		l.open, l.name = true, false
		return
	case t.typ == sqlparser.MODE && last.typ == sqlparser.SHARE: // LOCK IN SHARE MODE
		l.all = append(l.all, Locking{{Lock: sqlparser.ShareModeLock}})
		l.open = false
		return
	case !l.open:
		return
	}
	clause := l.all[n]
	c := &clause[len(clause)-1]
	switch {
	case t.typ == sqlparser.OF:
		l.name = true
		p.replace(t, t, "")
	case l.name && t.typ == '.':
		c.Of[len(c.Of)-1].Qualifier = c.Of[len(c.Of)-1].Name
		p.replace(t, t, "")
	case l.name && last.typ == '.':
		c.Of[len(c.Of)-1].Name = sqlparser.NewIdentifierCS(t.val)
		p.replace(t, t, "")
	case l.name && (last.typ == sqlparser.OF || last.typ == ','):
		c.Of = append(c.Of, sqlparser.TableName{Name: sqlparser.NewIdentifierCS(t.val)})
		p.replace(t, t, "")
	case l.name && t.typ == ',':
		p.replace(t, t, "")
	case t.typ == sqlparser.NOWAIT:
		c.Lock++
		l.name = false
		l.again(p, clause, t)
	case t.typ == sqlparser.SKIP:
		c.Lock += 2
		l.name = false
		l.again(p, clause, t)
	case t.typ == sqlparser.LOCKED && last.typ == sqlparser.SKIP:
		l.again(p, clause, t)
	case t.typ == sqlparser.FOR:
		l.name = false
	default:
		l.open = false
	}
}

// again leaves a word of a further clause out of what the grammar reads.
func (l *lockings) again(p *piece, clause Locking, t token) {
	if len(clause) > 1 {
		p.replace(t, t, "")
	}
}

// assign gives the SELECTs of ast their clauses, where the grammar has not.
func (l *lockings) assign(ast sqlparser.Statement) []Locking {
	special := false
	for _, c := range l.all {
		special = special || len(c) > 1 || c[0].Of != nil
	}
	if !special {
		return nil
	}
	var list []Locking
	// A SELECT's clause comes after those of the SELECTs in it.
	next := 0
	set := func(lock *sqlparser.Lock) {
		if *lock == sqlparser.NoLock || next == len(l.all) {
			return
		}
		if c := l.all[next]; len(c) > 1 || c[0].Of != nil {
			*lock = beyond + sqlparser.Lock(len(list))
			list = append(list, c)
		}
		next++
	}
	sqlparser.Rewrite(ast, nil, func(c *sqlparser.Cursor) bool {
		switch n := c.Node().(type) {
		case *sqlparser.Select:
			set(&n.Lock)
		case *sqlparser.Union:
			set(&n.Lock)
		}
		return true
	})
	return list
}
