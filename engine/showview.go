package engine

import (
	"context"
	"strings"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// described returns a table for what tells of its columns: those of a view are
// looked up again, since the tables under it may have changed.
func (s *Session) described(ctx context.Context, t *schema.Table) (*schema.Table, error) {
	if t.Kind != schema.Viewed {
		return t, nil
	}
	columns, err := plan.ViewColumns(ctx, t, s.planOptions("", nil))
	if err != nil {
		return nil, err
	}
	now := *t
	now.Columns = columns
	return &now, nil
}

// viewDefiner returns a view's definer and whose rights it runs with.
func (s *Session) viewDefiner(v *schema.Table) (definer, security string) {
	definer, security = v.View.Definer, v.View.Security
	if definer == "" {
		definer = s.user + "@localhost"
	}
	if security == "" {
		security = "INVOKER"
	}
	return definer, security
}

// createView prints the statement that makes a view like v.
func (s *Session) createView(v *schema.Table) string {
	definer, security := s.viewDefiner(v)
	user, host, found := strings.Cut(definer, "@")
	text := "CREATE ALGORITHM=" + algorithm(v) + " DEFINER=" + quoteName(user)
	if found {
		text += "@" + quoteName(host)
	}
	text += " SQL SECURITY " + security + " VIEW " + quoteName(v.Name) + " ("
	for i := range v.Columns {
		if i > 0 {
			text += ","
		}
		text += quoteName(v.Columns[i].Name)
	}
	text += ") AS " + v.View.Select
	if v.View.Check != schema.NoCheck {
		text += " WITH " + string(v.View.Check) + " CHECK OPTION"
	}
	return text
}

func algorithm(v *schema.Table) string {
	if v.View.Algorithm == "" {
		return "UNDEFINED"
	}
	return v.View.Algorithm
}

// showCreateView lists a view as SHOW CREATE VIEW does.
func (s *Session) showCreateView(v *schema.Table) *resultSet {
	row := []types.Value{types.NewString(v.Name), types.NewString(s.createView(v)), types.NewString("utf8mb4"),
		types.NewString(types.CollationName(types.DefaultCollation))}
	return s.listing([][]types.Value{row}, textColumns("View", "Create View", "character_set_client", "collation_connection")...)
}
