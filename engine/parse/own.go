package parse

import (
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"
)

// The statements that Kalam adds to the grammar. They embed one of Vitess's,
// which makes them sqlparser.Statements.
type (
	// CheckTable is CHECK TABLE.
	CheckTable struct {
		*sqlparser.OtherAdmin
		Tables          []sqlparser.TableName
		Quick, Extended bool
	}
	// CheckDatabase is CHECK DATABASE [ns]: all tables.
	CheckDatabase struct {
		*sqlparser.OtherAdmin
		Namespace       string // "": all, and what belongs to no table
		Quick, Extended bool
	}
	// RepairTable is REPAIR TABLE.
	RepairTable struct {
		*sqlparser.OtherAdmin
		Tables []sqlparser.TableName
	}
	// Backup is BACKUP DATABASE [ns] TO 'dir' [KEEP n].
	Backup struct {
		*sqlparser.OtherAdmin
		Namespace string // "": the whole database
		Dir       string
		Keep      int // how many backups stay in Dir; 0: all
	}
	// Restore is RESTORE DATABASE [ns] FROM 'dir' [BACKUP n].
	Restore struct {
		*sqlparser.OtherAdmin
		Namespace string // "": all that is in the backup
		Dir       string
		Number    int // 0: the last
	}
	// VerifyBackup is VERIFY BACKUP 'dir'.
	VerifyBackup struct {
		*sqlparser.OtherAdmin
		Dir string
	}
)

// own reads a statement that the grammar lacks. It returns nil when p is none.
func (p *piece) own(sql string) (sqlparser.Statement, error) {
	r := reader{sql: sql[p.start:p.end], t: parser.NewStringTokenizer(sql[p.start:p.end])}
	r.next()
	var st sqlparser.Statement
	switch {
	case r.take("check"):
		switch {
		case r.take("table"), r.take("tables"):
			n := &CheckTable{Tables: r.tables()}
			n.Quick, n.Extended = r.checkOptions()
			st = n
		case r.take("database"), r.take("schema"):
			n := &CheckDatabase{}
			if r.typ != 0 && !r.word("quick") && !r.word("extended") {
				n.Namespace = r.name()
			}
			n.Quick, n.Extended = r.checkOptions()
			st = n
		default:
			return nil, nil
		}
	case r.take("analyze"):
		a := r.analyze()
		if a == nil {
			return nil, nil
		}
		st = a
	case r.take("repair"):
		r.skip("no_write_to_binlog", "local")
		if !r.take("table") && !r.take("tables") {
			return nil, nil
		}
		list := r.tables()
		r.skip("quick", "extended")
		st = &RepairTable{Tables: list}
	case r.take("backup"):
		if !r.take("database") && !r.take("schema") {
			return nil, nil
		}
		b := &Backup{Namespace: r.namespace("to")}
		b.Dir = r.text()
		if r.take("keep") {
			b.Keep = r.number()
		}
		st = b
	case r.take("restore"):
		if !r.take("database") && !r.take("schema") {
			return nil, nil
		}
		b := &Restore{Namespace: r.namespace("from")}
		b.Dir = r.text()
		if r.take("backup") {
			b.Number = r.number()
		}
		st = b
	case r.take("verify"):
		if !r.take("backup") {
			return nil, nil
		}
		st = &VerifyBackup{Dir: r.text()}
	default:
		return nil, nil
	}
	if r.typ != 0 || r.failed {
		return nil, syntaxError(sql, p.start+r.from)
	}
	return st, nil
}

// reader reads a statement token by token. The first that does not fit stays
// the current one.
type reader struct {
	sql    string
	t      *sqlparser.Tokenizer
	typ    int
	val    string
	from   int // of the token, in sql
	failed bool
}

func (r *reader) next() {
	before := r.t.Pos
	r.typ, r.val = r.t.Scan()
	for r.typ == sqlparser.COMMENT {
		before = r.t.Pos
		r.typ, r.val = r.t.Scan()
	}
	r.from = skipBlank(r.sql, before)
}

// raw returns the token as it is written.
func (r *reader) raw() string { return r.sql[r.from:min(max(r.t.Pos, r.from), len(r.sql))] }

// word reports whether a word is the current token.
func (r *reader) word(word string) bool {
	return !r.failed && r.typ != 0 && strings.EqualFold(r.raw(), word)
}

// take goes past a word, if it is the current token.
func (r *reader) take(word string) bool {
	found := r.word(word)
	if found {
		r.next()
	}
	return found
}

// skip goes past words that ask for nothing.
func (r *reader) skip(words ...string) {
	for found := true; found; {
		found = false
		for _, w := range words {
			found = found || r.take(w)
		}
	}
}

// name reads an identifier.
func (r *reader) name() string {
	name := r.val
	switch {
	case r.failed || r.typ == sqlparser.STRING:
		r.failed = true
	case r.typ == sqlparser.ID:
	default: // a keyword, which may be a name all the same
		_, err := parseStrict("drop table " + r.raw())
		r.failed = r.typ == 0 || err != nil
	}
	if r.failed {
		return ""
	}
	r.next()
	return name
}

func (r *reader) tables() []sqlparser.TableName {
	var list []sqlparser.TableName
	for {
		n := sqlparser.TableName{Name: sqlparser.NewIdentifierCS(r.name())}
		if r.typ == '.' {
			r.next()
			n.Qualifier, n.Name = n.Name, sqlparser.NewIdentifierCS(r.name())
		}
		list = append(list, n)
		if r.failed || r.typ != ',' {
			return list
		}
		r.next()
	}
}

// namespace reads an optional name, and the word after it.
func (r *reader) namespace(word string) string {
	if r.take(word) {
		return ""
	}
	name := r.name()
	if !r.take(word) {
		r.failed = true
	}
	return name
}

func (r *reader) text() string {
	v := r.val
	if r.failed || r.typ != sqlparser.STRING {
		r.failed = true
		return ""
	}
	r.next()
	return v
}

func (r *reader) number() int {
	n, err := strconv.Atoi(r.val)
	if r.failed || r.typ != sqlparser.INTEGRAL || err != nil || n == 0 {
		r.failed = true
		return 0
	}
	r.next()
	return n
}

func (r *reader) checkOptions() (quick, extended bool) {
	for {
		switch {
		case r.take("quick"):
			quick = true
		case r.take("extended"):
			extended = true
		case r.take("medium"), r.take("fast"), r.take("changed"): // as InnoDB
		case r.take("for"):
			if !r.take("upgrade") {
				r.failed = true
			}
		default:
			return quick, extended
		}
	}
}
