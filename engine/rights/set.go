package rights

import (
	"strings"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Set is a set of privileges.
type Set uint16

// The privileges, by MySQL's names.
const (
	Select Set = 1 << iota
	Insert
	Update
	Delete
	Create
	Alter
	Drop
	Index
	CreateView
	Trigger

	All  = Trigger<<1 - 1
	Rows = Select | Insert | Update | Delete // what concerns a table's rows
)

// names are those of the privileges, in their order.
var names = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "CREATE VIEW", "TRIGGER"}

// ParsePrivilege returns the privilege of a name; ALL is all of them.
func ParsePrivilege(name string) (Set, bool) {
	if name = strings.ToUpper(name); name == "ALL" {
		return All, true
	}
	for i, n := range names {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names returns the privileges' names.
func (s Set) Names() []string {
	var list []string
	for i, n := range names {
		if s&(1<<i) != 0 {
			list = append(list, n)
		}
	}
	return list
}

// String returns the privileges as GRANT has them.
func (s Set) String() string {
	if s == All {
		return "ALL PRIVILEGES"
	}
	return strings.Join(s.Names(), ", ")
}

// Has reports whether all of other are in s.
func (s Set) Has(other Set) bool { return s&other == other }

// Of returns what users of a role may do with a table without being granted more.
// Of tables of which each user has rows of its own that concerns the user's own.
func Of(r Role, t *schema.Table) Set {
	if r.AtLeast(DBA) {
		return All
	}
	service := r.AtLeast(Service)
	switch t.Kind {
	case schema.User, schema.Stream:
		return Rows
	case schema.Viewed:
		// The tables under a view are the asking user's business, unless the view
		// stands for its definer.
		if t.View.Security == "DEFINER" && !service {
			return 0
		}
		return Rows
	case schema.System:
		if t.Namespace == "system" && (t.Name == "storage_locations" || t.Name == "jobs" && !service) {
			return 0
		}
		return Select
	}
	switch {
	case t.Options.Access == schema.Restricted:
		return 0
	case service:
		return Rows
	case t.Options.Access == schema.Private:
		return 0
	}
	return Select
}

// Denied is the error for a user who lacks a privilege on a table.
func Denied(needs Set, user string, t *schema.Table) *sqlerr.Error {
	return sqlerr.AccessDenied.New("%s command denied to user '%s'@'localhost' for table '%s'", needs.Names()[0], user, t.Name).On(t.QualifiedName())
}

// DeniedDatabase is the error for a user who lacks a privilege on a namespace.
func DeniedDatabase(user, namespace string) *sqlerr.Error {
	return sqlerr.DatabaseDenied.New("Access denied for user '%s'@'localhost' to database '%s'", user, namespace)
}
