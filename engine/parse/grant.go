package parse

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Grant is GRANT privileges ON object TO [ROLE] grantees, or REVOKE … FROM.
type Grant struct {
	*sqlparser.OtherAdmin
	Revoke     bool
	Privileges rights.Set
	On         GrantScope
	To         []Grantee
}

// GrantScope is what privileges are on: everything, a namespace, or a table.
type GrantScope struct {
	All       bool   // *.*
	Namespace string // "": the session's
	Table     string // "": all of the namespace
}

// Grantee is a user, or with Role all users of a role and of those above it.
type Grantee struct {
	UserName
	Role   string
	RoleAt int // its place in the statement, from 1
}

// ShowGrants is SHOW GRANTS FOR user or ROLE r.
type ShowGrants struct {
	*sqlparser.OtherAdmin
	For Grantee
}

// grant reads GRANT and REVOKE after the first word.
func (r *reader) grant(p *piece, revoke bool) (sqlparser.Statement, error) {
	n := &Grant{Revoke: revoke}
	for {
		at, word := p.start+r.from+1, r.raw()
		r.next()
		if strings.EqualFold(word, "create") && r.take("view") {
			word = "CREATE VIEW"
		}
		if strings.EqualFold(word, "all") {
			r.take("privileges")
		}
		set, ok := rights.ParsePrivilege(word)
		switch {
		case r.typ == '(':
			return nil, sqlerr.Unsupported("privileges of columns").At(at)
		case !ok && (r.word("to") || r.word("from") || r.typ == ',' && !r.word("on")):
			return nil, sqlerr.Unsupported("GRANT of '%s': a user's role is set by ALTER USER … ROLE", word).At(at)
		case !ok:
			return nil, sqlerr.Unsupported("the privilege %s", strings.ToUpper(word)).At(at)
		}
		n.Privileges |= set
		if !r.takeToken(',') {
			break
		}
	}
	if !r.take("on") {
		r.failed = true
		return n, nil
	}
	r.take("table")
	r.grantScope(&n.On)
	if to := map[bool]string{false: "to", true: "from"}[revoke]; !r.take(to) {
		r.failed = true
		return n, nil
	}
	for {
		g, err := r.grantee(p)
		if err != nil {
			return nil, err
		}
		n.To = append(n.To, g)
		if !r.takeToken(',') {
			break
		}
	}
	if r.word("with") {
		return nil, sqlerr.Unsupported("WITH GRANT OPTION: users of the role dba grant").At(p.start + r.from + 1)
	}
	return n, nil
}

// grantScope reads *.*, *, ns.*, ns.t or t.
func (r *reader) grantScope(s *GrantScope) {
	if r.takeToken('*') {
		if s.All = r.takeToken('.'); s.All {
			r.sign('*')
		}
		return
	}
	if s.Table = r.name(); !r.takeToken('.') {
		return
	}
	if s.Namespace, s.Table = s.Table, ""; !r.takeToken('*') {
		s.Table = r.name()
	}
}

func (r *reader) grantee(p *piece) (g Grantee, err error) {
	if !r.take("role") {
		g.UserName, err = r.userName(p)
		if err == nil && g.Name.Param > 0 {
			r.failed = true
		}
		return g, err
	}
	g.RoleAt = r.from + 1
	if g.Role = r.val; r.typ == sqlparser.STRING {
		r.next()
	} else {
		g.Role = r.name()
	}
	r.failed = r.failed || g.Role == ""
	return g, nil
}

// showGrants reads what comes after SHOW GRANTS: FOR a user or a role, or nothing.
func (r *reader) showGrants(p *piece) (sqlparser.Statement, error) {
	n := &ShowGrants{For: Grantee{UserName: UserName{Self: true}}}
	if !r.take("for") {
		return n, nil
	}
	var err error
	if n.For, err = r.grantee(p); err == nil && r.word("using") {
		err = sqlerr.Unsupported("SHOW GRANTS USING").At(p.start + r.from + 1)
	}
	return n, err
}
