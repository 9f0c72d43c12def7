package parse

import "vitess.io/vitess/go/vt/sqlparser"

// The statements on namespaces, which are MySQL's databases under a name of
// their own.
type (
	// CreateNamespace is CREATE NAMESPACE [IF NOT EXISTS] n [WITH (options)].
	CreateNamespace struct {
		*sqlparser.CreateDatabase
		Options []Option
	}
	// DropNamespace is DROP NAMESPACE [IF EXISTS] n [CASCADE].
	DropNamespace struct {
		*sqlparser.DropDatabase
		Cascade bool
	}
	// AlterNamespace is ALTER NAMESPACE n SET (options).
	AlterNamespace struct {
		*sqlparser.AlterDatabase
		Options []Option
	}
)

// namespaceStatement reads a statement on a namespace whose first word was verb.
// It returns nil when the statement is another.
func (r *reader) namespaceStatement(verb int) sqlparser.Statement {
	if !r.take("namespace") {
		return nil
	}
	switch verb {
	case sqlparser.CREATE:
		n := &CreateNamespace{CreateDatabase: &sqlparser.CreateDatabase{FullyParsed: true}}
		n.IfNotExists = r.words("if", "not", "exists")
		n.DBName = sqlparser.NewIdentifierCS(r.name())
		if r.take("with") {
			n.Options = r.options()
		}
		return n
	case sqlparser.DROP:
		n := &DropNamespace{DropDatabase: &sqlparser.DropDatabase{}}
		n.IfExists = r.words("if", "exists")
		n.DBName = sqlparser.NewIdentifierCS(r.name())
		n.Cascade = r.take("cascade")
		if !n.Cascade {
			r.take("restrict")
		}
		return n
	}
	n := &AlterNamespace{AlterDatabase: &sqlparser.AlterDatabase{FullyParsed: true}}
	n.DBName = sqlparser.NewIdentifierCS(r.name())
	if !r.take("set") && !r.take("with") {
		r.failed = true
	}
	n.Options = r.options()
	return n
}

// words goes past words that stand together, if the first is the current token.
func (r *reader) words(first string, more ...string) bool {
	if !r.take(first) {
		return false
	}
	for _, w := range more {
		if !r.take(w) {
			r.failed = true
		}
	}
	return !r.failed
}
