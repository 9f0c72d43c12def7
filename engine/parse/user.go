package parse

import (
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// The statements about users.
type (
	// CreateUser is CREATE USER [IF NOT EXISTS] user [IDENTIFIED BY 'password' | IDENTIFIED
	// WITH 'argon2id' AS 'hash'] [ROLE r] [EMAIL 'e'], ….
	CreateUser struct {
		*sqlparser.OtherAdmin
		IfNotExists bool
		Users       []UserSpec
	}
	// AlterUser is ALTER USER [IF EXISTS] with the same clauses, and SET PASSWORD.
	AlterUser struct {
		*sqlparser.OtherAdmin
		IfExists bool
		Users    []UserSpec
	}
	// DropUser is DROP USER [IF EXISTS] user, … [CASCADE].
	DropUser struct {
		*sqlparser.OtherAdmin
		IfExists, Cascade bool
		Users             []UserName
	}
)

// UserName names a user: 'name', 'name'@'%', a name without quotes, or
// CURRENT_USER().
type UserName struct {
	Name Value
	Self bool // who asks
}

// UserSpec is what a statement says of a user; nil and "": nothing.
type UserSpec struct {
	UserName
	Password, Email *Value
	Hash            *Value // of the password, in place of it
	Role            string
	RoleAt          int // its place in the statement, from 1
}

// Value is a text, or the parameter that has it.
type Value struct {
	Text  string
	Param int // from 1; 0: none
}

// aboutUsers reports whether p is CREATE, ALTER or DROP USER, and not of a user table.
func (p *piece) aboutUsers(sql string) bool {
	switch p.verb {
	case sqlparser.CREATE, sqlparser.ALTER, sqlparser.DROP:
	default:
		return false
	}
	r := p.reader(sql)
	r.next()
	return r.take("user") && !r.word("table") && !r.word("tables")
}

// userStatement reads CREATE, ALTER and DROP USER from the second word on.
func (r *reader) userStatement(p *piece, whole *Statement) (sqlparser.Statement, error) {
	r.next()
	r.next()
	whole.Params, whole.Names = p.positional+len(p.names), p.names
	switch p.verb {
	case sqlparser.CREATE:
		n := &CreateUser{IfNotExists: r.words("if", "not", "exists")}
		var err error
		n.Users, err = r.userSpecs(p)
		return n, err
	case sqlparser.ALTER:
		n := &AlterUser{IfExists: r.words("if", "exists")}
		var err error
		n.Users, err = r.userSpecs(p)
		return n, err
	}
	n := &DropUser{IfExists: r.words("if", "exists")}
	for {
		u, err := r.userName(p)
		if err != nil {
			return nil, err
		}
		n.Users = append(n.Users, u)
		if !r.takeToken(',') {
			break
		}
	}
	if n.Cascade = r.take("cascade"); !n.Cascade {
		r.take("restrict")
	}
	return n, nil
}

// setPassword reads SET PASSWORD [FOR user] = 'password' after its first words.
func (r *reader) setPassword(p *piece, whole *Statement) (sqlparser.Statement, error) {
	whole.Params, whole.Names = p.positional+len(p.names), p.names
	u := UserSpec{UserName: UserName{Self: true}}
	if r.take("for") {
		var err error
		if u.UserName, err = r.userName(p); err != nil {
			return nil, err
		}
	}
	r.sign('=')
	u.Password = r.value(p)
	return &AlterUser{Users: []UserSpec{u}}, nil
}

// unsupportedClauses are MySQL's clauses of users that Kalam does not have.
var unsupportedClauses = []string{"account", "password", "require", "with", "comment", "attribute", "default", "failed_login_attempts",
	"password_lock_time", "replace", "retain", "discard", "add", "modify", "registration", "initial"}

func (r *reader) userSpecs(p *piece) ([]UserSpec, error) {
	var list []UserSpec
	for {
		name, err := r.userName(p)
		if err != nil {
			return nil, err
		}
		u := UserSpec{UserName: name}
		for clause := true; clause && !r.failed; {
			switch {
			case u.Password == nil && u.Hash == nil && r.take("identified"):
				at := p.start + r.from + 1
				if r.take("with") {
					plugin := r.val
					if r.next(); !strings.EqualFold(plugin, "argon2id") || !r.take("as") {
						return nil, sqlerr.Unsupported("IDENTIFIED WITH: passwords are kept as argon2id, IDENTIFIED BY 'password', or WITH 'argon2id' AS 'hash'").At(at)
					}
					u.Hash = r.value(p)
					continue
				}
				if !r.take("by") {
					r.failed = true
				}
				if r.word("random") {
					return nil, sqlerr.Unsupported("IDENTIFIED BY RANDOM PASSWORD").At(p.start + r.from + 1)
				}
				u.Password = r.value(p)
			case u.Role == "" && r.take("role"):
				u.RoleAt = r.from + 1
				u.Role = r.val
				if r.typ == sqlparser.STRING {
					r.next()
				} else {
					u.Role = r.name()
				}
				r.failed = r.failed || u.Role == ""
			case u.Email == nil && r.take("email"):
				u.Email = r.value(p)
			default:
				if slices.ContainsFunc(unsupportedClauses, r.word) {
					return nil, sqlerr.Unsupported("%s of a user", strings.ToUpper(r.raw())).At(p.start + r.from + 1)
				}
				clause = false
			}
		}
		list = append(list, u)
		if !r.takeToken(',') {
			return list, nil
		}
	}
}

// userName reads a user. The host of MySQL's users is any: everybody is here.
func (r *reader) userName(p *piece) (UserName, error) {
	u := UserName{}
	switch {
	case r.take("current_user"), r.word("user") && r.opens():
		if r.typ == '(' {
			r.next()
			r.sign(')')
		}
		u.Self = true
		return u, nil
	case r.typ == sqlparser.STRING, r.typ == sqlparser.HEX, r.typ == sqlparser.VALUE_ARG:
		if v := r.value(p); v != nil {
			u.Name = *v
		}
	default:
		u.Name.Text = r.name()
	}
	if r.typ == sqlparser.AT_ID && !r.failed {
		if host := strings.ToLower(r.val); host != "%" && host != "localhost" {
			return u, sqlerr.Unsupported("users of the host '%s': all are in the process, '%%'", r.val).At(p.start + r.from + 1)
		}
		r.next()
	}
	return u, nil
}

// opens goes past a word that an opening parenthesis follows.
func (r *reader) opens() bool {
	if !strings.HasPrefix(strings.TrimLeft(r.sql[min(r.t.Pos, len(r.sql)):], " \t\r\n"), "(") {
		return false
	}
	r.next()
	return true
}

// value reads a text in quotes, X'hex', or a parameter.
func (r *reader) value(p *piece) *Value {
	v := &Value{Text: r.val}
	switch r.typ {
	case sqlparser.STRING:
	case sqlparser.HEX:
		b, err := sqlparser.NewHexLiteral(r.val).HexDecode()
		if v.Text = string(b); err != nil {
			r.failed = true
		}
	case sqlparser.VALUE_ARG:
		v.Text, v.Param = "", r.param(p)+1
	default:
		r.failed = true
	}
	if r.failed {
		return nil
	}
	r.next()
	return v
}
