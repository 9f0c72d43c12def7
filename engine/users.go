package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// changeUsers runs CREATE, ALTER and DROP USER. As in MySQL, they commit an open
// transaction first.
func (s *Session) changeUsers(ctx context.Context, st *parse.Statement, args arguments) error {
	role, err := s.role(ctx)
	if err != nil {
		return err
	}
	var names []parse.UserName
	var specs []parse.UserSpec
	switch n := st.AST.(type) {
	case *parse.CreateUser:
		specs = n.Users
	case *parse.AlterUser:
		specs = n.Users
	case *parse.DropUser:
		names = n.Users
	}
	if _, alter := st.AST.(*parse.AlterUser); !alter && !role.AtLeast(rights.DBA) {
		return rights.Needed("CREATE USER") // ALTER USER: of others
	}
	var accounts []service.Account
	for i := range specs {
		a, err := account(&specs[i], args)
		if err != nil {
			return err
		}
		accounts = append(accounts, a)
	}
	var dropped []string
	for _, n := range names {
		name, err := textOf(n.Name, args)
		if err != nil {
			return err
		}
		if n.Self {
			of, err := s.engine.catalog.UserOf(ctx, s.user)
			if err != nil {
				return err
			}
			name = of.Name
		}
		dropped = append(dropped, name)
	}
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	scope := s.scope()
	scope.Role = role
	switch n := st.AST.(type) {
	case *parse.CreateUser:
		return s.engine.catalog.CreateUsers(ctx, scope, accounts, n.IfNotExists)
	case *parse.AlterUser:
		return s.engine.catalog.AlterUsers(ctx, scope, accounts, n.IfExists)
	case *parse.DropUser:
		return s.engine.catalog.DropUsers(ctx, scope, dropped, n.IfExists, n.Cascade)
	}
	return nil
}

// account returns what a statement says of a user.
func account(u *parse.UserSpec, args arguments) (a service.Account, err error) {
	if a.Role, err = roleNamed(u.Role, u.RoleAt); err != nil {
		return a, err
	}
	a.Self = u.Self
	if a.Name, err = textOf(u.Name, args); err != nil {
		return a, err
	}
	optional := func(v *parse.Value) *string {
		if v == nil || err != nil {
			return nil
		}
		var text string
		text, err = textOf(*v, args)
		return &text
	}
	a.Password, a.Hash, a.Email = optional(u.Password), optional(u.Hash), optional(u.Email)
	return a, err
}

// roleNamed returns the role of a name; "": none is named.
func roleNamed(name string, at int) (rights.Role, error) {
	if name == "" {
		return "", nil
	}
	return service.RoleNamed(name, at)
}

// textOf returns a text that may be a parameter's.
func textOf(v parse.Value, args arguments) (string, error) {
	if v.Param == 0 {
		return v.Text, nil
	}
	t, x := args.types[v.Param-1], args.values[v.Param-1]
	if x.IsNull() || !t.IsString() {
		return "", sqlerr.WrongArguments.New("Parameter %d of the statement is no string", v.Param)
	}
	return string(types.AppendText(nil, t, x)), nil
}

// checkUsers finds out whether a statement about users makes sense.
func checkUsers(specs []parse.UserSpec) error {
	for i := range specs {
		if _, err := roleNamed(specs[i].Role, specs[i].RoleAt); err != nil {
			return err
		}
	}
	return nil
}

// role returns the role of the user whose statement runs.
func (s *Session) role(ctx context.Context) (rights.Role, error) {
	return s.engine.catalog.Role(ctx, s.user)
}

// mayActAs returns an error unless a user may run statements as another.
func (e *Engine) mayActAs(ctx context.Context, user, other string) error {
	if user == other {
		return nil
	}
	may, err := e.outranks(ctx, user, other)
	if err == nil && !may {
		err = sqlerr.AccessDenied.New("EXECUTE AS USER command denied to user '%s'", user)
	}
	return err
}

// outranks reports whether a user's role lets it act as another.
func (e *Engine) outranks(ctx context.Context, user, other string) (bool, error) {
	role, err := e.catalog.Role(ctx, user)
	if err != nil || role == rights.System {
		return err == nil, err
	}
	of, err := e.catalog.Role(ctx, other)
	return err == nil && role.MayActAs(of), err
}

// UserDefinitions returns the statements that make all recorded users, with the hashes of
// their passwords, and those that grant what is granted. Both are for users of the role
// dba, others get none; users of the role system are told to system alone.
func (s *Session) UserDefinitions(ctx context.Context) (users, grants []string, err error) {
	if err := s.enter(); err != nil {
		return nil, nil, err
	}
	defer s.engine.leave()
	role, err := s.role(ctx)
	if err != nil || !role.AtLeast(rights.DBA) {
		return nil, nil, err
	}
	list, err := s.engine.catalog.Accounts(ctx)
	if err != nil {
		return nil, nil, err
	}
	said := map[string]bool{}
	add := func(id, name string, role rights.Role) error {
		texts, err := s.grantsOf(ctx, id, quoteName(name)+"@`%`", role)
		for _, text := range texts {
			if !said[text] { // users' grants are told together with their roles'
				said[text] = true
				grants = append(grants, text)
			}
		}
		return err
	}
	for _, r := range rights.Roles {
		if err := add("", "", r); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(list, func(a, b service.Account) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range list {
		if !role.MayManage(a.Role) {
			continue
		}
		if err := add(a.ID, a.Name, a.Role); err != nil {
			return nil, nil, err
		}
		verb, name := "CREATE USER IF NOT EXISTS ", quoteString(a.Name)
		switch {
		case a.ID == service.Owner:
			verb = "ALTER USER "
		case a.ID != a.Name:
			users = append(users, "INSERT INTO system.users (id, name, role) VALUES ("+quoteString(a.ID)+", "+name+", "+quoteString(string(a.Role))+")")
			verb = "ALTER USER "
		}
		text := verb + name + " ROLE " + string(a.Role)
		if a.Email != nil {
			text += " EMAIL " + quoteString(*a.Email)
		}
		if a.Hash != nil {
			text += " IDENTIFIED WITH 'argon2id' AS " + quoteString(*a.Hash)
		}
		users = append(users, text)
	}
	return users, grants, nil
}
