package parse

import (
	"slices"
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
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
	// PackTable is PACK TABLE, or OPTIMIZE TABLE.
	PackTable struct {
		*sqlparser.OtherAdmin
		Tables   []sqlparser.TableName
		Optimize bool
	}
	// ChecksumTable is CHECKSUM TABLE.
	ChecksumTable struct {
		*sqlparser.OtherAdmin
		Tables []sqlparser.TableName
		Quick  bool
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
	// DescribeHistory is DESCRIBE TABLE t HISTORY.
	DescribeHistory struct {
		*sqlparser.OtherAdmin
		Table sqlparser.TableName
	}
	// ShowCount is SHOW COUNT(*) WARNINGS or ERRORS.
	ShowCount struct {
		*sqlparser.OtherAdmin
		Errors bool
	}
	// VerifyBackup is VERIFY BACKUP 'dir'.
	VerifyBackup struct {
		*sqlparser.OtherAdmin
		Dir string
	}
)

// reader returns a reader of p at its first token.
func (p *piece) reader(sql string) *reader {
	r := &reader{sql: sql[p.start:p.end], t: parser.NewStringTokenizer(sql[p.start:p.end])}
	r.next()
	return r
}

// own reads a statement that the grammar lacks, which becomes that of whole. It
// returns nil when p is none.
func (p *piece) own(sql string, whole *Statement) (sqlparser.Statement, error) {
	r := p.reader(sql)
	var st sqlparser.Statement
	var err error
	switch verb := r.typ; {
	case p.aboutUsers(sql):
		if st, err = r.userStatement(p, whole); err != nil {
			return nil, err
		}
	case verb == sqlparser.CREATE || verb == sqlparser.DROP:
		r.next()
		var err error
		if st = r.namespaceStatement(verb); st == nil {
			st, err = r.topicStatement(p, verb)
		}
		if st == nil {
			return nil, err
		}
	case verb == sqlparser.ALTER:
		r.next()
		var err error
		if st = r.namespaceStatement(verb); st == nil {
			st, err = r.topicStatement(p, verb)
		}
		if err != nil {
			return nil, err
		}
		if st != nil {
			break
		}
		n := r.setOptions()
		if n == nil {
			return nil, nil
		}
		st = n
	case r.take("execute"):
		if !r.take("as") {
			return nil, nil
		}
		if !r.take("user") {
			return nil, syntaxError(sql, p.start+r.from)
		}
		n, err := r.executeAs(p, whole)
		if err != nil {
			return nil, err
		}
		st = n
	case r.take("describe"), r.take("desc"):
		if !r.take("table") {
			return nil, nil
		}
		list := r.tables()
		if r.failed || len(list) != 1 || !r.take("history") {
			return nil, nil
		}
		st = &DescribeHistory{Table: list[0]}
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
	case r.take("pack"):
		if !r.take("table") && !r.take("tables") {
			return nil, nil
		}
		st = &PackTable{Tables: r.tables()}
	case r.take("checksum"):
		if !r.take("table") && !r.take("tables") {
			return nil, nil
		}
		n := &ChecksumTable{Tables: r.tables()}
		if n.Quick = r.take("quick"); !n.Quick {
			r.take("extended")
		}
		st = n
	case r.take("optimize"):
		r.skip("no_write_to_binlog", "local")
		if !r.take("table") && !r.take("tables") {
			return nil, nil
		}
		st = &PackTable{Tables: r.tables(), Optimize: true}
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
	case r.take("subscribe"):
		n, err := r.subscribe(p, whole)
		if err != nil {
			return nil, err
		}
		st = n
	case r.take("consume"):
		st = r.consume(p, whole)
	case r.take("ack"):
		st = r.ack(p, whole)
	case r.take("verify"):
		if !r.take("backup") {
			return nil, nil
		}
		st = &VerifyBackup{Dir: r.text()}
	case verb == sqlparser.COMMIT || verb == sqlparser.ROLLBACK:
		r.next()
		if st = r.transactionEnd(verb, whole); st == nil {
			return nil, nil
		}
		if r.take("release") {
			return nil, sqlerr.Unsupported("%s RELEASE", strings.Fields(strings.ToUpper(r.sql))[0]).At(p.start + 1)
		}
	case r.word("get"):
		return p.getDiagnostics(sql)
	case verb == sqlparser.SET:
		r.next()
		if !r.take("password") {
			return nil, nil
		}
		if st, err = r.setPassword(p, whole); err != nil {
			return nil, err
		}
	default:
		if st, err = r.administration(p); st == nil || err != nil {
			return nil, err
		}
	}
	if r.typ != 0 || r.failed {
		return nil, syntaxError(sql, p.start+r.from)
	}
	return st, nil
}

// transactionEnd reads what comes after COMMIT or ROLLBACK, up to a RELEASE; nil: that
// is the grammar's.
func (r *reader) transactionEnd(verb int, whole *Statement) sqlparser.Statement {
	r.take("work")
	if r.typ == 0 || r.word("to") {
		return nil
	}
	if r.take("and") {
		whole.Chain = !r.take("no")
		r.want("chain")
	}
	if r.take("no") {
		r.want("release")
	}
	if verb == sqlparser.COMMIT {
		return &sqlparser.Commit{}
	}
	return &sqlparser.Rollback{}
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

// sign reads a punctuation mark.
func (r *reader) sign(c int) {
	if r.failed = r.failed || r.typ != c; !r.failed {
		r.next()
	}
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

// param returns the place of the current token, a parameter, among the statement's.
func (r *reader) param(p *piece) int {
	at := -1
	if name := strings.TrimPrefix(r.val, ":"); p.names != nil {
		at = slices.Index(p.names, name)
	} else if n, err := strconv.Atoi(strings.TrimPrefix(name, "v")); err == nil {
		at = n - 1
	}
	r.failed = r.failed || at < 0
	return at
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
