package engine

import (
	"context"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// showTriggers lists the triggers of a namespace, by table, event and time.
func (s *Session) showTriggers(ctx context.Context, b *sqlparser.ShowBasic) ([]plan.ResultColumn, [][]types.Value, error) {
	columns := textColumns("Trigger", "Event", "Table", "Statement", "Timing", "Created", "sql_mode", "Definer",
		"character_set_client", "collation_connection", "Database Collation")
	namespace := b.DbName.String()
	if namespace == "" {
		namespace = s.namespace
	}
	if namespace == "" {
		return nil, nil, sqlerr.NoDatabase.New("No database selected")
	}
	names, err := s.engine.catalog.TableNames(ctx, namespace)
	if err != nil {
		return nil, nil, err
	}
	var rows [][]types.Value
	for _, name := range names {
		t, err := s.engine.catalog.Table(ctx, namespace, name)
		if err != nil {
			return nil, nil, err
		}
		if may, err := s.may(ctx, t, rights.Trigger); err != nil {
			return nil, nil, err
		} else if !may {
			continue
		}
		eachTrigger(t, func(x *schema.Trigger, _ int) {
			rows = append(rows, textRow(x.Name, x.Event, t.Name, x.Body, x.Timing(), s.triggerTime(x), modeText(s), definer(x),
				"utf8mb4", defaultCollation, defaultCollation))
		})
	}
	return columns, rows, nil
}

// eachTrigger calls f with the triggers of a table, and the place of each among
// those of its event and time.
func eachTrigger(t *schema.Table, f func(x *schema.Trigger, place int)) {
	for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
		for _, before := range []bool{true, false} {
			place := 0
			for i := range t.Triggers {
				if x := &t.Triggers[i]; x.Event == event && x.Before == before {
					place++
					f(x, place)
				}
			}
		}
	}
}

func (s *Session) infoTriggers(ctx context.Context, t *schema.Table, add rowAdder) error {
	if may, err := s.may(ctx, t, rights.Trigger); err != nil || !may {
		return err
	}
	eachTrigger(t, func(x *schema.Trigger, place int) {
		add(catalogName, t.Namespace, x.Name, x.Event, catalogName, t.Namespace, t.Name, place, nil, x.Body, "ROW", x.Timing(),
			nil, nil, "OLD", "NEW", x.Created, modeText(s), definer(x), "utf8mb4", defaultCollation, defaultCollation)
	})
	return nil
}

func (s *Session) showCreateTrigger(ctx context.Context, n *sqlparser.ShowCreate) (*resultSet, error) {
	namespace := n.Op.Qualifier.String()
	if namespace == "" {
		namespace = s.namespace
	}
	if namespace == "" {
		return nil, sqlerr.NoDatabase.New("No database selected")
	}
	t, x, err := s.engine.catalog.Trigger(ctx, namespace, n.Op.Name.String())
	if err != nil {
		return nil, err
	}
	if may, err := s.may(ctx, t, rights.Trigger); err != nil {
		return nil, err
	} else if !may {
		return nil, rights.Needed("TRIGGER")
	}
	columns := textColumns("Trigger", "sql_mode", "SQL Original Statement", "character_set_client", "collation_connection", "Database Collation", "Created")
	row := textRow(x.Name, modeText(s), x.SQL, "utf8mb4", defaultCollation, defaultCollation, s.triggerTime(x))
	return s.listing([][]types.Value{row}, columns...), nil
}

func (s *Session) triggerTime(t *schema.Trigger) string {
	return t.Created.In(s.zone).Format("2006-01-02 15:04:05.00")
}

func modeText(s *Session) string {
	mode, _ := getMode(s).(string)
	return mode
}

func definer(t *schema.Trigger) string {
	return t.User + "@localhost"
}

func textRow(values ...string) []types.Value {
	row := make([]types.Value, len(values))
	for i, v := range values {
		row[i] = types.NewString(v)
	}
	return row
}
