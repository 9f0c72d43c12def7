package service

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
)

// grantScope is what privileges are on: everything, a namespace or a table.
type grantScope struct {
	namespace string
	table     uint32
}

// person is what is known of a user.
type person struct {
	role    rights.Role
	granted map[grantScope]rights.Set // to the user, its role and those below
}

// readPerson reads what is recorded of the user with an id.
func readPerson(ctx context.Context, tx *store.Tx, id string) (*person, error) {
	p := &person{role: rights.User}
	u, err := sqlmeta.Users.Get(ctx, tx, id)
	switch {
	case err == nil:
		if p.role, err = roleOf(u); err != nil {
			return nil, err
		}
	case !errors.Is(err, sqlerr.NoSuchRecord):
		return nil, err
	}
	if id == Owner {
		p.role = rights.System
	}
	if p.role.AtLeast(rights.DBA) {
		return p, nil // who may do everything
	}
	add := func(g *sqlmeta.Grant) error {
		if p.granted == nil {
			p.granted = map[grantScope]rights.Set{}
		}
		p.granted[grantScope{g.Namespace, g.TableID}] |= privileges(g)
		return nil
	}
	for _, r := range rights.Roles {
		if !p.role.AtLeast(r) {
			break
		}
		if err := sqlmeta.GrantsOf(ctx, tx, sqlmeta.ToRole, string(r), add); err != nil {
			return nil, err
		}
	}
	if u == nil {
		return p, nil
	}
	return p, sqlmeta.GrantsOf(ctx, tx, sqlmeta.ToUser, id, add)
}

// privileges returns what a record grants.
func privileges(g *sqlmeta.Grant) (set rights.Set) {
	for _, name := range g.Privileges {
		one, _ := rights.ParsePrivilege(name)
		set |= one
	}
	return set
}

// Privileges returns what a user may do with a table.
func (c *Catalog) Privileges(ctx context.Context, user string, t *schema.Table) (rights.Set, error) {
	p, err := c.person(ctx, user)
	if err != nil {
		return 0, err
	}
	set := rights.Of(p.role, t)
	if len(p.granted) > 0 && t.Kind != schema.System {
		set |= p.granted[grantScope{}] | p.granted[grantScope{namespace: t.Namespace}] | p.granted[grantScope{table: t.ID}]
	}
	return set, nil
}

// NamespacePrivileges returns what a user may do with a namespace and with tables
// that are yet to be made in it.
func (c *Catalog) NamespacePrivileges(ctx context.Context, user, namespace string) (rights.Set, error) {
	p, err := c.person(ctx, user)
	if err != nil || p.role.AtLeast(rights.DBA) {
		return rights.All, err
	}
	return p.granted[grantScope{}] | p.granted[grantScope{namespace: namespace}], nil
}

// Grant runs GRANT and REVOKE.
func (c *Catalog) Grant(ctx context.Context, s Scope, n *parse.Grant) error {
	return c.changeRecords(ctx, s, func(tx *store.Tx) error {
		key, t, err := s.grantKey(ctx, tx, n.On)
		if err != nil {
			return err
		}
		if t != nil && (t.Kind == schema.User || t.Kind == schema.Stream) && n.Privileges != rights.All && n.Privileges&rights.Rows != 0 {
			return sqlerr.WrongUsage.New("Incorrect usage of GRANT and %s TABLE: every user may do with its own rows of '%s' as it likes", kindName(t.Kind), t.Name)
		}
		for i := range n.To {
			g := &n.To[i]
			if key.Kind, key.Grantee, err = s.granteeOf(ctx, tx, g); err != nil {
				return err
			}
			old, err := sqlmeta.GetGrant(ctx, tx, key)
			if err != nil {
				return err
			}
			var set rights.Set
			if old != nil {
				set = privileges(old)
			}
			switch {
			case !n.Revoke:
				set |= n.Privileges
			case set&n.Privileges == 0 || n.Privileges != rights.All && !set.Has(n.Privileges):
				return noGrant(key, t)
			default:
				set &^= n.Privileges
			}
			if err := sqlmeta.PutGrant(ctx, tx, &sqlmeta.Grant{GrantKey: key, Privileges: set.Names()}); err != nil {
				return err
			}
		}
		return nil
	})
}

func kindName(k schema.TableKind) string {
	if k == schema.Stream {
		return "STREAM"
	}
	return "USER"
}

// noGrant is the error for a REVOKE of what was not granted.
func noGrant(k sqlmeta.GrantKey, t *schema.Table) error {
	who := "user '" + k.Grantee + "' on host '%'"
	if k.Kind == sqlmeta.ToRole {
		who = "role '" + k.Grantee + "'"
	}
	if t != nil {
		return sqlerr.NonexistingTableGrant.New("There is no such grant defined for %s on table '%s'", who, t.Name).On(t.QualifiedName())
	}
	return sqlerr.NonexistingGrant.New("There is no such grant defined for %s", who)
}

// grantKey returns the part of a grant's key that tells what it is on, and the table
// that it is on, if it is one.
func (s Scope) grantKey(ctx context.Context, tx *store.Tx, on parse.GrantScope) (k sqlmeta.GrantKey, t *schema.Table, err error) {
	if on.All {
		return k, nil, nil
	}
	namespace := cmp.Or(on.Namespace, s.Namespace)
	switch {
	case namespace == "":
		return k, nil, sqlerr.NoDatabase.New("No database selected")
	case tables.IsSystem(namespace):
		return k, nil, sqlerr.CommandDenied.New("Access denied to database '%s': what roles may do with its tables is fixed", namespace)
	}
	if _, err := sqlmeta.NamespaceByName(ctx, tx, namespace); err != nil {
		return k, nil, err
	}
	if on.Table == "" {
		k.Namespace = namespace
		return k, nil, nil
	}
	r, err := sqlmeta.TableByName(ctx, tx, namespace, on.Table)
	if err != nil {
		return k, nil, err
	}
	t, err = sqlmeta.CurrentSchema(ctx, tx, r)
	k.TableID = r.ID
	return k, t, err
}

// granteeOf returns who privileges are granted to.
func (s Scope) granteeOf(ctx context.Context, tx *store.Tx, g *parse.Grantee) (sqlmeta.GranteeKind, string, error) {
	if g.Role != "" {
		r, err := RoleNamed(g.Role, g.RoleAt)
		if err == nil && r.AtLeast(rights.DBA) {
			err = sqlerr.WrongUsage.New("Incorrect usage of GRANT and ROLE %s, whose users may do everything", r)
		}
		return sqlmeta.ToRole, string(r), err
	}
	name := g.Name.Text
	find := sqlmeta.UserByName
	if g.Self {
		name, find = s.User, sqlmeta.Users.Get
	}
	u, err := find(ctx, tx, name)
	if errors.Is(err, sqlerr.NoSuchRecord) {
		return "", "", sqlerr.NoGrantUser.New("You are not allowed to create a user with GRANT: there is no user '%s'", name)
	}
	if err != nil {
		return "", "", err
	}
	return sqlmeta.ToUser, u.ID, nil
}

// RoleNamed returns the role of a name that stands at a place of a statement.
func RoleNamed(name string, at int) (rights.Role, error) {
	r, ok := rights.ParseRole(name)
	if !ok {
		return "", sqlerr.WrongOption.New("There is no role '%s'; the roles are user, service, dba and system", name).At(at)
	}
	return r, nil
}

// Granted is a line of SHOW GRANTS.
type Granted struct {
	Privileges rights.Set
	// Namespace and Table: both empty, everything; Table empty, the namespace.
	Namespace, Table string
	Role             rights.Role // to whose users they are granted; "": to the user
}

// UserNamed returns the account of a name. Errors: sqlerr.NoSuchRecord.
func (c *Catalog) UserNamed(ctx context.Context, name string) (Account, error) {
	return c.account(Account{ID: name, Name: name}, func(tx *store.Tx) (*sqlmeta.User, error) { return sqlmeta.UserByName(ctx, tx, name) })
}

// UserOf returns the account with an id. Errors: sqlerr.NoSuchRecord.
func (c *Catalog) UserOf(ctx context.Context, id string) (Account, error) {
	return c.account(Account{ID: id, Name: id}, func(tx *store.Tx) (*sqlmeta.User, error) { return sqlmeta.Users.Get(ctx, tx, id) })
}

// account returns the account that find finds; the owner is there without a record.
func (c *Catalog) account(a Account, find func(*store.Tx) (*sqlmeta.User, error)) (Account, error) {
	err := c.read(func(tx *store.Tx) error {
		u, err := find(tx)
		if err != nil {
			return err
		}
		a.ID, a.Name = u.ID, u.Name
		a.Role, err = roleOf(u)
		return err
	})
	if errors.Is(err, sqlerr.NoSuchRecord) && a.ID == Owner {
		a.Role, err = rights.System, nil
	}
	return a, err
}

// Grants returns what was granted to the user with an id, to its role and those below;
// id "": to these roles alone.
func (c *Catalog) Grants(ctx context.Context, id string, role rights.Role) (list []Granted, err error) {
	err = c.read(func(tx *store.Tx) error {
		add := func(to rights.Role) func(g *sqlmeta.Grant) error {
			return func(g *sqlmeta.Grant) error {
				x := Granted{Privileges: privileges(g), Namespace: g.Namespace, Role: to}
				if g.TableID != 0 {
					t, err := sqlmeta.Tables.Get(ctx, tx, g.TableID)
					if errors.Is(err, sqlerr.NoSuchRecord) {
						return nil
					}
					if err != nil {
						return err
					}
					x.Namespace, x.Table = t.Namespace, t.Name
				}
				list = append(list, x)
				return nil
			}
		}
		for _, r := range rights.Roles {
			if role.AtLeast(r) {
				if err := sqlmeta.GrantsOf(ctx, tx, sqlmeta.ToRole, string(r), add(r)); err != nil {
					return err
				}
			}
		}
		if id != "" {
			return sqlmeta.GrantsOf(ctx, tx, sqlmeta.ToUser, id, add(""))
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b Granted) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Table, b.Table))
	})
	return list, err
}
