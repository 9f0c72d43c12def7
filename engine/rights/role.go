// Package rights says what the users of a database may do, by their roles.
package rights

import (
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Role is what a user is. Who is not recorded in system.users has the role User,
// but for the owner of the database's files.
type Role string

// The roles, each of which may do what those before it may, and more.
const (
	User    Role = "user"    // sees its own rows, and shared tables as far as they are open
	Service Role = "service" // a program that acts for users
	DBA     Role = "dba"     // changes the catalogue and keeps the database
	System  Role = "system"  // the owner of the files
)

// Roles are all roles, the least first.
var Roles = []Role{User, Service, DBA, System}

// ParseRole returns the role of a name.
func ParseRole(name string) (Role, bool) {
	r := Role(strings.ToLower(name))
	return r, r.rank() > 0
}

func (r Role) rank() int {
	for i, o := range Roles {
		if r == o {
			return i + 1
		}
	}
	return 0
}

// AtLeast reports whether r may do what other may.
func (r Role) AtLeast(other Role) bool { return r.rank() >= other.rank() }

// MayActAs reports whether users of role r may act as other users of role other:
// the owner as everybody, the others as those of lesser roles.
func (r Role) MayActAs(other Role) bool { return r == System || r.rank() > other.rank() }

// MayManage reports whether users of role r may make, change and drop users of
// role other.
func (r Role) MayManage(other Role) bool { return r.AtLeast(DBA) && r.AtLeast(other) }

// Needed is the error for a statement that the user's role may not run, by MySQL's
// name of the privilege.
func Needed(privilege string) *sqlerr.Error {
	return sqlerr.PrivilegeNeeded.New("Access denied; you need (at least one of) the %s privilege(s) for this operation", privilege)
}
