package engine

import (
	"cmp"
	"context"
	"errors"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// What a statement with a plan needs is found out when it is planned, see
// plan.Access; mayRun is about the others.

// allowed returns what plans may do: what the session's user may, or the definer of
// a view or trigger.
func (s *Session) allowed(ctx context.Context) func(plan.Access) error {
	return func(a plan.Access) error {
		user := s.user
		if a.As != nil {
			user = *a.As
		}
		if user == SystemUser || a.Table.Temporary && a.As == nil || a.Table == s.making {
			return nil
		}
		has, err := s.engine.catalog.Privileges(ctx, user, a.Table)
		if err != nil {
			return err
		}
		if lacks := a.Needs &^ has; lacks != 0 {
			return rights.Denied(lacks, user, a.Table)
		}
		return nil
	}
}

// mayUse returns an error where the session's user may not run a plan, which was
// made for another.
func (s *Session) mayUse(ctx context.Context, p *plan.Plan) error {
	if s.user == SystemUser && !p.Defined {
		return nil
	}
	allowed := s.allowed(ctx)
	for i := range p.Access {
		if err := allowed(p.Access[i]); err != nil {
			return err
		}
	}
	return nil
}

// sees reports whether the session's user may know of a table.
func (s *Session) sees(ctx context.Context, t *schema.Table) (bool, error) {
	return s.may(ctx, t, rights.All)
}

// may reports whether the session's user has any of some privileges on a table.
func (s *Session) may(ctx context.Context, t *schema.Table, any rights.Set) (bool, error) {
	if s.user == SystemUser {
		return true, nil
	}
	has, err := s.engine.catalog.Privileges(ctx, s.user, t)
	return has&any != 0, err
}

// viewer returns what a user sees of the system tables.
func (s *Session) viewer(ctx context.Context, user string) (*tables.Viewer, error) {
	role, err := s.engine.catalog.Role(ctx, user)
	if err != nil || role.AtLeast(rights.DBA) {
		return nil, err
	}
	return &tables.Viewer{User: user, Table: func(r *sqlmeta.Table) (bool, error) {
		t, err := s.engine.catalog.Table(ctx, r.Namespace, r.Name)
		if err != nil {
			if gone(err) {
				err = nil // since the snapshot
			}
			return false, err
		}
		has, err := s.engine.catalog.Privileges(ctx, user, t)
		return has != 0, err
	}}, nil
}

// needsRole returns an error unless the session's user is at least of a role;
// privilege is MySQL's for it.
func (s *Session) needsRole(ctx context.Context, least rights.Role, privilege string) error {
	role, err := s.role(ctx)
	if err == nil && !role.AtLeast(least) {
		err = rights.Needed(privilege)
	}
	return err
}

// mayRun returns an error where the session's user may not run a statement without a
// plan. What is not known here only users of the role dba may run.
func (s *Session) mayRun(ctx context.Context, st *parse.Statement) error {
	if s.user == SystemUser {
		return nil
	}
	switch n := st.AST.(type) {
	case *sqlparser.Begin, *sqlparser.Commit, *sqlparser.Rollback, *sqlparser.Savepoint, *sqlparser.SRollback, *sqlparser.Release,
		*sqlparser.Use, *sqlparser.Set, *sqlparser.PrepareStmt, *sqlparser.DeallocateStmt:
		return nil
	case *sqlparser.ExplainStmt, *parse.Subscribe, *parse.ChecksumTable: // its plan is made
		return nil
	case *sqlparser.Show, *sqlparser.ExplainTab, *parse.ShowCount, *parse.Diagnostics, *parse.ShowGrants, *parse.DescribeHistory: // of what the user sees
		return nil
	case *sqlparser.Kill, *parse.KillLive, *parse.CreateUser, *parse.AlterUser, *parse.DropUser: // it depends on whom they are about
		return nil
	case *parse.CreateTopic, *parse.DropTopic, *parse.AddSource, *parse.DropSource, *parse.DropGroup, *parse.ShowTopics:
		return s.needsRole(ctx, rights.DBA, "SUPER")
	case *parse.Consume, *parse.Ack: // a topic has the rows of all users
		return s.needsRole(ctx, rights.Service, "SUPER")
	case *parse.KillJob:
		return s.needsRole(ctx, rights.DBA, "SUPER")
	case *parse.Backup, *parse.Restore, *parse.VerifyBackup:
		return s.needsRole(ctx, rights.DBA, "BACKUP_ADMIN")
	case *parse.Grant:
		return s.needsRole(ctx, rights.DBA, "GRANT OPTION")
	case *sqlparser.CreateDatabase:
		return s.mayChangeNamespace(ctx, n.DBName.String(), rights.Create)
	case *parse.CreateNamespace:
		return s.mayChangeNamespace(ctx, n.DBName.String(), rights.Create)
	case *parse.AlterNamespace:
		return s.mayChangeNamespace(ctx, n.DBName.String(), rights.Alter)
	case *sqlparser.AlterDatabase:
		return s.mayChangeNamespace(ctx, cmp.Or(n.DBName.String(), s.namespace), rights.Alter)
	case *sqlparser.DropDatabase:
		return s.mayChangeNamespace(ctx, n.DBName.String(), rights.Drop)
	case *parse.DropNamespace:
		return s.mayChangeNamespace(ctx, n.DBName.String(), rights.Drop)
	case *parse.SetOptions:
		return s.mayChange(ctx, n.Table, rights.Alter)
	case *parse.CreateTrigger:
		return s.mayChange(ctx, n.Table, rights.Trigger)
	case *parse.DropTrigger:
		return s.mayDropTrigger(ctx, n)
	case *sqlparser.TruncateTable:
		return s.mayTruncate(ctx, n.Table)
	case *sqlparser.RenameTable:
		for _, pair := range n.TablePairs {
			if err := s.mayChange(ctx, pair.FromTable, rights.Alter|rights.Drop); err != nil {
				return err
			}
			if err := s.mayChange(ctx, pair.ToTable, rights.Create); err != nil {
				return err
			}
		}
		return nil
	case sqlparser.DDLStatement:
		return s.mayDefine(ctx, n)
	}
	return s.needsRole(ctx, rights.DBA, "SUPER")
}

// mayReadFiles returns an error where the session's user may not run LOAD DATA.
func (s *Session) mayReadFiles(ctx context.Context, st *parse.Statement) error {
	if st.Load == nil {
		return nil
	}
	return s.needsRole(ctx, rights.Service, "FILE")
}

// mayDefine is mayRun for statements on tables and views.
func (s *Session) mayDefine(ctx context.Context, ast sqlparser.DDLStatement) error {
	switch n := ast.(type) {
	case *parse.CreateTable:
		return s.mayDefine(ctx, n.CreateTable)
	case *parse.AlterTable:
		return s.mayDefine(ctx, n.AlterTable)
	case *parse.DropTable:
		return s.mayDefine(ctx, n.DropTable)
	case *sqlparser.CreateTable:
		if n.OptLike != nil {
			if err := s.mayChange(ctx, n.OptLike.LikeTable, rights.Select); err != nil {
				return err
			}
		}
		if n.TableSpec != nil {
			if err := s.mayReference(ctx, n.Table, n.TableSpec); err != nil {
				return err
			}
		}
		return s.mayChange(ctx, n.Table, rights.Create)
	case *sqlparser.AlterTable:
		needs := rights.Index
		for _, o := range n.AlterOptions {
			switch o := o.(type) {
			case *sqlparser.AddIndexDefinition, *sqlparser.DropKey:
				continue
			case *sqlparser.RenameTableName:
				if err := s.mayChange(ctx, o.Table, rights.Create); err != nil {
					return err
				}
				needs |= rights.Drop
			case *sqlparser.AddColumns:
				if err := s.mayReference(ctx, n.Table, &sqlparser.TableSpec{Columns: o.Columns}); err != nil {
					return err
				}
			case *sqlparser.AddConstraintDefinition:
				if fk, ok := o.ConstraintDefinition.Details.(*sqlparser.ForeignKeyDefinition); ok {
					if err := s.mayReferTo(ctx, n.Table, fk); err != nil {
						return err
					}
				}
			}
			needs |= rights.Alter
		}
		if needs != rights.Index {
			needs &^= rights.Index // who may alter a table may have indexes, too
		}
		return s.mayChange(ctx, n.Table, needs)
	case *sqlparser.DropTable:
		for _, t := range n.FromTables {
			if s.temporary(s.qualifier(t), t.Name.String()) != nil {
				continue
			}
			if err := s.mayChange(ctx, t, rights.Drop); err != nil {
				return err
			}
		}
		return nil
	case *sqlparser.DropView:
		for _, t := range n.FromTables {
			if err := s.mayChange(ctx, t, rights.Drop); err != nil {
				return err
			}
		}
		return nil
	case *sqlparser.CreateView:
		return s.mayView(ctx, n.ViewName, n.Definer, n.IsReplace)
	case *sqlparser.AlterView:
		return s.mayView(ctx, n.ViewName, n.Definer, true)
	}
	return s.needsRole(ctx, rights.DBA, "SUPER")
}

// mayView returns an error where the session's user may not make a view of a name,
// which has another user's rights if a definer is named.
func (s *Session) mayView(ctx context.Context, name sqlparser.TableName, definer *sqlparser.Definer, replaces bool) error {
	needs := rights.CreateView
	if replaces {
		needs |= rights.Drop
	}
	if user := service.DefinerOf(definer, s.user); user != s.user {
		may, err := s.engine.outranks(ctx, s.user, user)
		if err != nil {
			return err
		}
		if !may {
			return rights.Needed("SET_USER_ID")
		}
	}
	return s.mayChange(ctx, name, needs)
}

// mayReference returns an error where new columns and keys may not reference a table.
func (s *Session) mayReference(ctx context.Context, table sqlparser.TableName, spec *sqlparser.TableSpec) error {
	for _, c := range spec.Constraints {
		if fk, ok := c.Details.(*sqlparser.ForeignKeyDefinition); ok {
			if err := s.mayReferTo(ctx, table, fk); err != nil {
				return err
			}
		}
	}
	for _, c := range spec.Columns {
		if o := c.Type.Options; o != nil && o.Reference != nil {
			if err := s.mayReferTo(ctx, table, &sqlparser.ForeignKeyDefinition{ReferenceDefinition: o.Reference}); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayReferTo returns an error where a foreign key would tell of a table that the
// session's user may not read.
func (s *Session) mayReferTo(ctx context.Context, table sqlparser.TableName, fk *sqlparser.ForeignKeyDefinition) error {
	to := fk.ReferenceDefinition.ReferencedTable
	if to.Qualifier.IsEmpty() {
		to.Qualifier = table.Qualifier
	}
	if to.Name == table.Name {
		return nil
	}
	return s.mayChange(ctx, to, rights.Select)
}

// mayTruncate returns an error where the session's user may not empty a table: of
// one in which each user has rows only its own go.
func (s *Session) mayTruncate(ctx context.Context, name sqlparser.TableName) error {
	if s.temporary(s.qualifier(name), name.Name.String()) != nil {
		return nil
	}
	t, err := s.engine.catalog.Table(ctx, s.qualifier(name), name.Name.String())
	if err == nil && (t.Kind == schema.User || t.Kind == schema.Stream) {
		return nil
	}
	return s.mayChange(ctx, name, rights.Drop)
}

func (s *Session) mayDropTrigger(ctx context.Context, n *parse.DropTrigger) error {
	has, err := s.engine.catalog.NamespacePrivileges(ctx, s.user, s.qualifier(n.Name))
	if err == nil && !has.Has(rights.Trigger) {
		err = rights.Needed("TRIGGER")
	}
	return err
}

func (s *Session) qualifier(name sqlparser.TableName) string {
	if name.Qualifier.IsEmpty() {
		return s.namespace
	}
	return name.Qualifier.String()
}

// mayChange returns an error where the session's user lacks privileges on a table,
// or on the namespace in which it is to be.
func (s *Session) mayChange(ctx context.Context, name sqlparser.TableName, needs rights.Set) error {
	namespace := s.qualifier(name)
	has, err := s.engine.catalog.NamespacePrivileges(ctx, s.user, namespace)
	if err != nil || has.Has(needs) {
		return err
	}
	t, err := s.engine.catalog.Table(ctx, namespace, name.Name.String())
	if err != nil {
		if !gone(err) && sqlerr.As(err) == nil {
			return err
		}
		t = &schema.Table{Namespace: namespace, Name: name.Name.String()}
	} else if of, err := s.engine.catalog.Privileges(ctx, s.user, t); err != nil {
		return err
	} else {
		has |= of
	}
	if lacks := needs &^ has; lacks != 0 {
		return rights.Denied(lacks, s.user, t)
	}
	return nil
}

func (s *Session) mayChangeNamespace(ctx context.Context, namespace string, needs rights.Set) error {
	has, err := s.engine.catalog.NamespacePrivileges(ctx, s.user, namespace)
	if err == nil && !has.Has(needs) {
		err = rights.DeniedDatabase(s.user, namespace)
	}
	return err
}

// showGrants lists what a user, or the users of a role, may do beyond what the role
// itself lets them.
func (s *Session) showGrants(ctx context.Context, n *parse.ShowGrants) (*resultSet, error) {
	role, err := roleNamed(n.For.Role, n.For.RoleAt)
	if err != nil {
		return nil, err
	}
	var of service.Account
	switch {
	case role != "":
		of.Role = role
		err = s.needsRole(ctx, rights.DBA, "SELECT")
	case n.For.Self:
		of, err = s.engine.catalog.UserOf(ctx, s.user)
		if errors.Is(err, sqlerr.NoSuchRecord) {
			of.ID, of.Role, err = "", rights.User, nil // who is not recorded has its role's
		}
	default:
		of, err = s.engine.catalog.UserNamed(ctx, n.For.Name.Text)
		if err == nil && of.ID == s.user {
			break
		}
		if err := s.needsRole(ctx, rights.DBA, "SELECT"); err != nil {
			return nil, err // whoever is recorded
		}
		if errors.Is(err, sqlerr.NoSuchRecord) {
			err = sqlerr.NonexistingGrant.New("There is no such grant defined for user '%s' on host '%%'", of.Name)
		}
	}
	if err != nil {
		return nil, err
	}
	to, title := quoteName(of.Name)+"@`%`", of.Name+"@%"
	if role != "" {
		to, title = "ROLE "+quoteName(string(role)), "ROLE "+string(role)
	}
	list, err := s.engine.catalog.Grants(ctx, of.ID, of.Role)
	if err != nil {
		return nil, err
	}
	first := "GRANT USAGE ON *.* TO " + to
	if of.Role.AtLeast(rights.DBA) {
		first = "GRANT ALL PRIVILEGES ON *.* TO " + to
	}
	rows := [][]types.Value{{types.NewString(first)}}
	for i := range list {
		rows = append(rows, []types.Value{types.NewString(grantText(&list[i], to))})
	}
	return s.listing(rows, textColumn("Grants for "+title)), nil
}

// grantText is the statement that grants what is granted to whom SQL names to, or to a
// role.
func grantText(g *service.Granted, to string) string {
	on := "*.*"
	if g.Namespace != "" {
		on = quoteName(g.Namespace) + ".*"
	}
	if g.Table != "" {
		on = quoteName(g.Namespace) + "." + quoteName(g.Table)
	}
	if g.Role != "" {
		to = "ROLE " + quoteName(string(g.Role))
	}
	return "GRANT " + g.Privileges.String() + " ON " + on + " TO " + to
}

// grantsOf returns the statements that grant what a user, whom SQL names to, or a role
// has; id "": the role.
func (s *Session) grantsOf(ctx context.Context, id, to string, role rights.Role) (texts []string, err error) {
	list, err := s.engine.catalog.Grants(ctx, id, role)
	for i := range list {
		texts = append(texts, grantText(&list[i], to))
	}
	return texts, err
}

// grant runs GRANT and REVOKE.
func (s *Session) grant(ctx context.Context, n *parse.Grant) error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	return s.engine.catalog.Grant(ctx, s.scope(), n)
}
