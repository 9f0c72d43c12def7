package engine

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/topic"
	"github.com/kalamgo/kalam/engine/types"
)

// consumeLimit is how many messages CONSUME returns without LIMIT.
const consumeLimit = 100

// topicStatement runs a statement about topics. Their changes are committed at once,
// whatever else goes on in the session.
func (s *Session) topicStatement(ctx context.Context, st *parse.Statement, args arguments) (*resultSet, error) {
	if n, ok := st.AST.(*parse.ShowTopics); ok {
		return s.showTopics(ctx, n)
	}
	if err := s.writable(); err != nil {
		return nil, err
	}
	if s.tx != nil {
		return nil, sqlerr.Unsupported("%s in a transaction", statementName(st.SQL))
	}
	topics := s.engine.topics
	switch n := st.AST.(type) {
	case *parse.CreateTopic:
		return nil, s.createTopic(ctx, n)
	case *parse.DropTopic:
		ns, err := s.namespaceOr(n.Name.Qualifier.String())
		if err != nil {
			return nil, err
		}
		err = topics.Drop(ctx, ns, n.Name.Name.String())
		if e := sqlerr.As(err); n.IfExists && e != nil && e.Kind == sqlerr.NoSuchTopic {
			s.warn(err)
			return nil, nil
		}
		return nil, err
	case *parse.AddSource:
		return nil, s.addSource(ctx, n)
	case *parse.DropSource:
		ns, err := s.namespaceOr(n.Name.Qualifier.String())
		if err != nil {
			return nil, err
		}
		t, err := s.table(ctx, n.Table, "")
		if err != nil {
			return nil, err
		}
		return nil, topics.DropSource(ctx, ns, n.Name.Name.String(), t)
	case *parse.DropGroup:
		ns, err := s.namespaceOr(n.Name.Qualifier.String())
		if err != nil {
			return nil, err
		}
		group, err := groupName(n.Group, args)
		if err != nil {
			return nil, err
		}
		return nil, topics.DropGroup(ctx, ns, n.Name.Name.String(), group)
	case *parse.Consume:
		return s.consume(ctx, n, args)
	case *parse.Ack:
		ns, err := s.namespaceOr(n.Name.Qualifier.String())
		if err != nil {
			return nil, err
		}
		group, err := groupName(n.Group, args)
		if err != nil {
			return nil, err
		}
		offset, err := numberOf(n.Offset, args, "an offset")
		if err != nil {
			return nil, err
		}
		return nil, topics.Ack(ctx, ns, n.Name.Name.String(), group, offset)
	}
	return nil, sqlerr.Internal.New("no way to run a %T", st.AST)
}

func (s *Session) createTopic(ctx context.Context, n *parse.CreateTopic) error {
	ns, err := s.namespaceOr(n.Name.Qualifier.String())
	if err == nil {
		err = s.engine.catalog.CheckNamespace(ctx, ns)
	}
	if err != nil {
		return err
	}
	t := sqlmeta.Topic{Namespace: ns, Name: n.Name.Name.String(), Retention: topic.DefaultRetention, Bytes: topic.DefaultBytes}
	for _, o := range n.Options {
		v, err := uintOption(o)
		if err != nil {
			return err
		}
		switch o.Name {
		case "RETENTION_HOURS":
			t.Retention = time.Duration(v) * time.Hour
		case "RETENTION_MB":
			t.Bytes = int64(v) << 20
		default:
			return sqlerr.WrongOption.New("A topic has no option %s; it has RETENTION_HOURS and RETENTION_MB", o.Name).At(o.At)
		}
	}
	err = s.engine.topics.Create(ctx, t)
	if e := sqlerr.As(err); n.IfNotExists && e != nil && e.Kind == sqlerr.TopicExists {
		s.warn(err)
		return nil
	}
	return err
}

// uintOption returns the value of an option that is a number from 1 on.
func uintOption(o parse.Option) (uint64, error) {
	n := uint64(0)
	for _, c := range o.Value {
		if n = n*10 + uint64(c-'0'); n > 1<<20 {
			break
		}
	}
	if o.Type != parse.Number || n == 0 || n > 1<<20 {
		return 0, sqlerr.WrongOption.New("The option %s can't have the value '%s'", o.Name, o.Value).At(o.At)
	}
	return n, nil
}

func (s *Session) addSource(ctx context.Context, n *parse.AddSource) error {
	ns, err := s.namespaceOr(n.Name.Qualifier.String())
	if err != nil {
		return err
	}
	source := sqlmeta.TopicSource{On: n.On, Where: n.Where, Payload: "full"}
	if source.On == nil {
		source.On = []string{"insert", "update", "delete"}
	}
	for _, o := range n.Options {
		v := strings.ToLower(o.Value)
		switch {
		case o.Name != "PAYLOAD":
			return sqlerr.WrongOption.New("A source has no option %s; it has PAYLOAD", o.Name).At(o.At)
		case v != "key" && v != "full" && v != "diff":
			return sqlerr.WrongOption.New("PAYLOAD is key, full or diff, not '%s'", o.Value).At(o.At)
		}
		source.Payload = v
	}
	for {
		version := s.engine.catalog.Version()
		t, err := s.table(ctx, n.Table, "")
		if err != nil {
			return err
		}
		ok, err := s.engine.topics.AddSource(ctx, ns, n.Name.Name.String(), t, source,
			func(f func() error) (bool, error) { return s.engine.catalog.While(version, f) })
		if ok || err != nil {
			return err
		}
	}
}

func (s *Session) consume(ctx context.Context, n *parse.Consume, args arguments) (*resultSet, error) {
	ns, err := s.namespaceOr(n.Name.Qualifier.String())
	if err != nil {
		return nil, err
	}
	q := topic.Request{Namespace: ns, Name: n.Name.Name.String(), Limit: consumeLimit}
	if n.Group != nil {
		group, err := groupName(n.Group, args)
		if err != nil {
			return nil, err
		}
		q.Group = &group
	}
	if n.From != nil {
		text, isText := operandText(n.From, args)
		switch {
		case isText && strings.EqualFold(text, "earliest"):
		case isText && strings.EqualFold(text, "latest"):
			q.Start.Latest = true
		default:
			if q.Start.Offset, err = numberOf(n.From, args, "EARLIEST, LATEST or an offset"); err != nil {
				return nil, err
			}
		}
	}
	if n.Limit != nil {
		limit, err := numberOf(n.Limit, args, "a number of messages")
		if err != nil {
			return nil, err
		}
		q.Limit = int(min(limit, math.MaxInt32))
	}
	list, err := s.engine.topics.Consume(ctx, q)
	if err != nil {
		return nil, err
	}
	jsonColumn := func(name string) plan.ResultColumn {
		return plan.ResultColumn{Name: name, Type: types.JSONType, Nullable: true}
	}
	rows := make([][]types.Value, len(list))
	for i := range list {
		m := &list[i]
		rows[i] = []types.Value{types.NewUint(m.Offset), types.NewString(m.Source), textOrNull(m.User), types.NewString(m.Op), types.NewString(m.Key), textOrNull(m.Payload)}
	}
	return s.listing(rows, plan.ResultColumn{Name: "offset", Type: types.Uint64Type}, textColumn("source"), textColumn("user"),
		textColumn("op"), jsonColumn("key"), jsonColumn("payload")), nil
}

func textOrNull(s string) types.Value {
	if s == "" {
		return types.Value{}
	}
	return types.NewString(s)
}

// showTopics runs SHOW TOPICS and SHOW TOPIC GROUPS.
func (s *Session) showTopics(ctx context.Context, n *parse.ShowTopics) (*resultSet, error) {
	list, err := s.engine.topics.List(ctx)
	if err != nil {
		return nil, err
	}
	var rows [][]types.Value
	if n.Groups {
		groups, err := s.engine.topics.Groups(ctx)
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			for _, g := range groups {
				if g.TopicID == t.ID {
					rows = append(rows, []types.Value{types.NewString(t.Namespace + "." + t.Name), types.NewString(g.Name), types.NewUint(g.Offset)})
				}
			}
		}
		return s.listing(rows, textColumn("Topic"), textColumn("Group"), plan.ResultColumn{Name: "Acknowledged", Type: types.Uint64Type}), nil
	}
	for _, t := range list {
		row := []types.Value{types.NewString(t.Namespace + "." + t.Name), types.NewInt(int64(t.Retention / time.Hour)), types.NewInt(t.Bytes >> 20)}
		for _, source := range t.Sources {
			name := "?"
			if table, err := s.engine.TableByID(ctx, source.TableID); err == nil {
				name = table.QualifiedName()
			}
			rows = append(rows, append(row[:3:3], types.NewString(name), types.NewString(strings.Join(source.On, "|")), textOrNull(source.Where), types.NewString(source.Payload)))
		}
		if len(t.Sources) == 0 {
			rows = append(rows, append(row, types.Value{}, types.Value{}, types.Value{}, types.Value{}))
		}
	}
	return s.listing(rows, textColumn("Topic"), intColumn("Retention_hours"), intColumn("Retention_mb"), textColumn("Source"),
		textColumn("On"), textColumn("Where"), textColumn("Payload")), nil
}

// TableByID implements topic.Tables; sqlerr.NoSuchRecord.
func (e *Engine) TableByID(ctx context.Context, id uint32) (*schema.Table, error) {
	var r *sqlmeta.Table
	err := e.txns.View(func(tx *store.Tx) (err error) {
		r, err = sqlmeta.Tables.Get(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	t, err := e.catalog.Table(ctx, r.Namespace, r.Name)
	if err == nil && t.ID != id {
		err = sqlerr.NoSuchRecord.New("Can't find table %d", id)
	}
	return t, err
}

// operandText returns an operand that is a string or a word.
func operandText(o *parse.Operand, args arguments) (string, bool) {
	if o.Param < 0 {
		return o.Text, o.IsText
	}
	if v := args.values[o.Param]; args.types[o.Param].IsString() && !v.IsNull() {
		return string(v.Bytes()), true
	}
	return "", false
}

// groupName returns the name of a group.
func groupName(o *parse.Operand, args arguments) (string, error) {
	name, ok := operandText(o, args)
	if !ok || name == "" || len(name) > 255 {
		return "", sqlerr.WrongArguments.New("The name of a group is a text of 1 to 255 bytes").At(o.At + 1)
	}
	return name, nil
}

// numberOf returns an operand that is a number from 0 on.
func numberOf(o *parse.Operand, args arguments, what string) (uint64, error) {
	n, ok := o.Number, !o.IsText
	if o.Param >= 0 {
		n, ok = args.unsigned(o.Param)
	}
	if ok {
		return n, nil
	}
	return 0, sqlerr.WrongArguments.New("%s is wanted here", what).At(o.At + 1)
}

// TopicDefinitions returns the statements that make a namespace's topics; none for who
// may not define topics.
func (s *Session) TopicDefinitions(ctx context.Context, namespace string) (texts []string, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.engine.leave()
	role, err := s.role(ctx)
	if err != nil || !role.AtLeast(rights.DBA) {
		return nil, err
	}
	list, err := s.engine.topics.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range list {
		if t.Namespace != namespace {
			continue
		}
		name := quoteName(t.Namespace) + "." + quoteName(t.Name)
		texts = append(texts, fmt.Sprintf("CREATE TOPIC IF NOT EXISTS %s WITH (RETENTION_HOURS = %d, RETENTION_MB = %d)", name, t.Retention/time.Hour, t.Bytes>>20))
		for _, source := range t.Sources {
			table, err := s.engine.TableByID(ctx, source.TableID)
			if err != nil {
				continue // it was replaced: consuming tells
			}
			text := "ALTER TOPIC " + name + " ADD SOURCE " + quoteName(table.Namespace) + "." + quoteName(table.Name) + " ON " + strings.ToUpper(strings.Join(source.On, "|"))
			if source.Where != "" {
				text += " WHERE " + source.Where
			}
			texts = append(texts, text+" WITH (PAYLOAD = '"+source.Payload+"')")
		}
	}
	return texts, nil
}
