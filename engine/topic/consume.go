package topic

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Message is a change of a row of a source.
type Message struct {
	Offset  uint64
	Source  string // the table's qualified name
	User    string // whose the row is; "" in shared tables
	Op      string // "insert", "update" or "delete"
	Key     string // the primary key, a JSON object
	Payload string // JSON; "": none
}

// Start is where consumers begin that have acknowledged nothing.
type Start struct {
	Latest bool   // with what comes from now on
	Offset uint64 // with the first message of this offset or a greater one; 0: the first of all
}

// Request is what is consumed.
type Request struct {
	Namespace, Name string
	Group           *string // goes on after what it has acknowledged; nil: no group
	Start           Start
	Limit           int // messages
}

// maxBytes is about how large the messages that are consumed at once may be together.
const maxBytes = 16 << 20

// Consume returns the next messages, in the order of commits. Those of a group come again
// until it acknowledges them; past changes that make no message it goes on by itself.
// Errors: sqlerr.NoSuchTopic, WrongTopic, ChangesGone.
func (t *Topics) Consume(ctx context.Context, q Request) ([]Message, error) {
	through := t.txns.Through()
	topic, from, err := t.position(ctx, q, through)
	if err != nil {
		return nil, err
	}
	reader := sqlmeta.GroupKey{TopicID: topic.ID}
	if q.Group != nil {
		reader.Name = *q.Group
	}
	c := &consumer{from: from, limit: q.Limit, env: &expr.Env{Context: ctx}, start: t.markOf(reader, topic, from)}
	defer c.close()
	defer func() { t.note(reader, topic, c) }()
	for i := range topic.Sources {
		if err := t.open(ctx, c, topic, i, through); err != nil {
			return nil, err
		}
	}
	for len(c.out) < c.limit && c.bytes < maxBytes {
		more, err := c.commit(ctx)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	if q.Group != nil && len(c.out) == 0 && c.read > 0 {
		return nil, t.pass(ctx, topic, *q.Group, from, after(c.read))
	}
	return c.out, nil
}

// pass moves a group on to an offset when it is still at another, since there is no message
// in between: else it would read the same changes at each call, until they are gone.
func (t *Topics) pass(ctx context.Context, topic *sqlmeta.Topic, group string, from, to uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.change(ctx, func(tx *store.Tx) error {
		g, err := groupOf(ctx, tx, topic, group)
		if err != nil || g == nil || g.Offset != from || to <= from {
			return err
		}
		g.Offset = to
		return putGroup(ctx, tx, g, true)
	})
}

// position returns a topic and the offset that is consumed after. Where a group begins is
// noted, so that it stays where it is until it acknowledges something.
func (t *Topics) position(ctx context.Context, q Request, through uint64) (topic *sqlmeta.Topic, from uint64, err error) {
	begin := func() error {
		switch {
		case q.Start.Latest:
			from = after(through)
		case q.Start.Offset > 0:
			if from = q.Start.Offset - 1; from > after(through) {
				err = sqlerr.WrongTopic.New("Topic '%s.%s' has no offset %d yet", q.Namespace, q.Name, q.Start.Offset)
			}
		default:
			from, err = t.earliest(ctx, topic, through)
		}
		return err
	}
	var g *sqlmeta.TopicGroup
	err = t.txns.View(func(tx *store.Tx) error {
		if topic, err = sqlmeta.TopicByName(ctx, tx, q.Namespace, q.Name); err != nil {
			return err
		}
		if q.Group == nil {
			return begin()
		}
		g, err = groupOf(ctx, tx, topic, *q.Group)
		return err
	})
	switch {
	case err != nil || q.Group == nil:
		return topic, from, err
	case g != nil:
		return topic, g.Offset, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	err = t.change(ctx, func(tx *store.Tx) error {
		if topic, err = sqlmeta.TopicByName(ctx, tx, q.Namespace, q.Name); err != nil {
			return err
		}
		if g, err = groupOf(ctx, tx, topic, *q.Group); err != nil {
			return err
		}
		if g != nil {
			from = g.Offset
			return nil
		}
		if err := begin(); err != nil {
			return err
		}
		return putGroup(ctx, tx, &sqlmeta.TopicGroup{TopicID: topic.ID, Name: *q.Group, Offset: from}, false)
	})
	return topic, from, err
}

// earliest is the offset before the first that a topic has.
func (t *Topics) earliest(ctx context.Context, topic *sqlmeta.Topic, through uint64) (uint64, error) {
	first := through
	for i := range topic.Sources {
		s := &topic.Sources[i]
		table, err := t.sourceTable(ctx, topic, s)
		if err != nil {
			return 0, err
		}
		low, err := t.db.LogStart(ctx, table.StorageID())
		if err != nil {
			return 0, err
		}
		first = min(first, max(low, s.Since))
	}
	return after(first), nil
}

func (t *Topics) sourceTable(ctx context.Context, topic *sqlmeta.Topic, s *sqlmeta.TopicSource) (*schema.Table, error) {
	table, err := t.tables.TableByID(ctx, s.TableID)
	if k := sqlerr.As(err); k != nil && k.Kind == sqlerr.NoSuchRecord {
		return nil, sqlerr.WrongTopic.New("A source of topic '%s.%s' was replaced: ALTER TOPIC … DROP SOURCE, and ADD SOURCE again", topic.Namespace, topic.Name)
	}
	return table, err
}

// consumer makes messages of the logs of a topic's sources.
type consumer struct {
	from  uint64 // messages up to it are passed over
	limit int
	env   *expr.Env
	parts []*part
	out   []Message
	bytes int
	read  uint64 // the last commit that was read whole; 0: none
	// start is a place before from in its commit, or zero; at is where it is in a commit of
	// which it has not read all, or zero.
	start, at mark
}

// mark is the beginning of a part of a commit in the log of a source. It saves who reads a large
// commit in many steps that what was before is read again each time. It depends on nothing but
// the sources and their logs.
type mark struct {
	seq     uint64
	sources []sqlmeta.TopicSource
	source  int    // which of them
	chunk   uint32 // the part's number
	place   uint64 // how many messages of the commit are before it
}

// markOf returns the last mark that is not after an offset.
func (t *Topics) markOf(reader sqlmeta.GroupKey, topic *sqlmeta.Topic, from uint64) (last mark) {
	t.marking.Lock()
	defer t.marking.Unlock()
	for _, m := range t.marks[reader] {
		if m.seq == from>>placeBits && m.place <= from&lastPlace && from&lastPlace != lastPlace && m.place >= last.place && reflect.DeepEqual(m.sources, topic.Sources) {
			last = m
		}
	}
	return last
}

// note keeps where c began and ended, if that is within a commit.
func (t *Topics) note(reader sqlmeta.GroupKey, topic *sqlmeta.Topic, c *consumer) {
	t.marking.Lock()
	defer t.marking.Unlock()
	if c.at.sources = topic.Sources; c.at.seq == 0 {
		delete(t.marks, reader)
	} else {
		t.marks[reader] = [2]mark{c.start, c.at}
	}
}

// part is a source that is being read.
type part struct {
	*boundSource
	reader  *store.LogReader
	decoder *store.ChangeDecoder
	next    *store.TableChanges // nil: no more
	source  int
	chunk   uint32 // the number of next in its commit

	where, full, key *expr.Evaluator
}

// open begins to read source i.
func (t *Topics) open(ctx context.Context, c *consumer, topic *sqlmeta.Topic, i int, through uint64) error {
	s := &topic.Sources[i]
	table, err := t.sourceTable(ctx, topic, s)
	if err != nil {
		return err
	}
	b, err := bindSource(table, s, false)
	if err != nil {
		return err
	}
	seq := c.from >> placeBits
	if c.from&lastPlace != lastPlace && seq > 0 {
		seq-- // the rest of the commit is to come
	}
	var chunk uint32
	if c.start.seq > s.Since {
		switch {
		case i < c.start.source:
			seq = c.start.seq
		case i == c.start.source:
			chunk = c.start.chunk
		}
	}
	if seq = max(seq, s.Since); seq >= through {
		return nil
	}
	storage := table.StorageID()
	r, err := t.db.ReadLog(ctx, storage, seq, chunk, through, false)
	if errors.Is(err, sqlerr.ChangesGone) {
		if low, e := t.db.LogStart(ctx, storage); e == nil {
			err = sqlerr.ChangesGone.Wrap(err, "The messages of topic '%s.%s' after offset %d are not all kept any more, only those after %d: ACK UPTO OFFSET %d gives up the others",
				topic.Namespace, topic.Name, c.from, after(low), after(low))
		}
	}
	if err != nil {
		return err
	}
	p := &part{boundSource: b, source: i, chunk: chunk, reader: r, decoder: t.db.ChangeDecoder(table, b.columns)}
	c.parts = append(c.parts, p)
	if b.where != nil {
		if p.where, err = expr.NewEvaluator(c.env, b.where); err != nil {
			return err
		}
	}
	if p.key, err = expr.NewEvaluator(c.env, b.key); err != nil {
		return err
	}
	if p.full, err = expr.NewEvaluator(c.env, b.full); err != nil {
		return err
	}
	p.next, err = r.Next(ctx)
	return err
}

func (c *consumer) close() {
	for _, p := range c.parts {
		_ = p.reader.Close()
	}
}

// commit adds the messages of the next commit, as many as are wanted. It reports false when
// there are no more commits.
func (c *consumer) commit(ctx context.Context) (more bool, err error) {
	seq := uint64(math.MaxUint64)
	for _, p := range c.parts {
		if p.next != nil {
			seq, more = min(seq, p.next.Seq), true
		}
	}
	if !more {
		return false, nil
	}
	place := uint64(0)
	if seq == c.start.seq {
		place = c.start.place
	}
	var held *Message // it may be the commit's last
	emit := func(offset uint64) {
		if held != nil && offset > c.from && len(c.out) < c.limit {
			held.Offset = offset
			c.out = append(c.out, *held)
			c.bytes += len(held.Key) + len(held.Payload)
		}
	}
	for _, p := range c.parts {
		for p.next != nil && p.next.Seq == seq {
			c.at = mark{seq: seq, source: p.source, chunk: p.chunk, place: place}
			list, err := p.messages(ctx, p.next)
			if err != nil {
				return false, err
			}
			for i := range list {
				emit(seq<<placeBits | place)
				if len(c.out) == c.limit || c.bytes >= maxBytes {
					return true, nil
				}
				held = &list[i]
				if place++; place == lastPlace {
					return false, sqlerr.WrongTopic.New("Commit %d has too many changes for a topic", seq)
				}
			}
			if p.next, err = p.reader.Next(ctx); err != nil {
				return false, err
			}
			if p.chunk++; p.next != nil && p.next.Seq != seq {
				p.chunk = 0
			}
		}
	}
	emit(after(seq))
	c.read, c.at = seq, mark{}
	return true, nil
}

// messages makes messages, without offsets, of some changes.
func (p *part) messages(ctx context.Context, c *store.TableChanges) ([]Message, error) {
	rows, err := p.decoder.Decode(c)
	if err != nil {
		return nil, err
	}
	newPass, err := p.passing(rows.New)
	if err != nil {
		return nil, err
	}
	oldPass, err := p.passing(rows.Old)
	if err != nil {
		return nil, err
	}
	news, err := p.texts(rows.New, newPass)
	if err != nil {
		return nil, err
	}
	olds, err := p.texts(rows.Old, nil)
	if err != nil {
		return nil, err
	}
	var list []Message
	for i := range rows.Len {
		o, n := rows.OldAt[i], rows.NewAt[i]
		m := Message{Source: p.table.QualifiedName(), Op: "update"}
		shown, at, pass := news, n, newPass
		switch {
		case o < 0:
			m.Op = "insert"
		case n < 0:
			m.Op = "delete"
			shown, at, pass = olds, o, oldPass
		}
		if !slices.Contains(p.On, m.Op) || pass != nil && !pass[at] {
			continue
		}
		if rows.Users != nil {
			if m.User, err = store.DecodedUser(rows.Users[i]); err != nil {
				return nil, err
			}
		}
		m.Key = shown.keys[at]
		switch p.Payload {
		case "full":
			m.Payload = shown.rows[at]
		case "diff":
			m.Payload = "{"
			if n >= 0 {
				m.Payload += `"new": ` + news.rows[n]
			}
			if o >= 0 && n >= 0 {
				m.Payload += ", "
			}
			if o >= 0 {
				m.Payload += `"old": ` + olds.rows[o]
			}
			m.Payload += "}"
		}
		list = append(list, m)
	}
	return list, nil
}

// passing tells for each row whether it meets the condition; nil: all do.
func (p *part) passing(b *types.Batch) ([]bool, error) {
	if p.where == nil {
		return nil, nil
	}
	pass := make([]bool, b.Len)
	if b.Len == 0 {
		return pass, nil
	}
	sel, err := p.where.Select(b, nil)
	for _, i := range sel {
		pass[i] = true
	}
	return pass, err
}

// texts are the keys and the rows of a batch, as JSON.
type texts struct{ keys, rows []string }

// texts makes the JSON objects of rows that pass.
func (p *part) texts(b *types.Batch, pass []bool) (*texts, error) {
	t := &texts{keys: make([]string, b.Len), rows: make([]string, b.Len)}
	var sel []int32
	for i := range b.Len {
		if pass == nil || pass[i] || p.Payload == "diff" {
			sel = append(sel, int32(i))
		}
	}
	if len(sel) == 0 {
		return t, nil
	}
	picked := b
	if len(sel) < b.Len {
		picked = &types.Batch{}
		for _, v := range b.Columns {
			picked.Columns = append(picked.Columns, types.NewVector(v.Type, len(sel)))
		}
		picked.Gather(b, sel)
	}
	fill := func(ev *expr.Evaluator, to []string) error {
		cols, err := ev.Eval(picked)
		if err != nil {
			return err
		}
		for k, i := range sel {
			to[i] = string(cols[0].BytesAt(k))
		}
		return nil
	}
	if err := fill(p.key, t.keys); err != nil {
		return nil, err
	}
	if p.Payload == "key" {
		return t, nil
	}
	return t, fill(p.full, t.rows)
}

// bindObject binds a JSON object of some columns over whole rows.
func bindObject(t *schema.Table, columns []int) (expr.Expr, error) {
	o := &sqlparser.JSONObjectExpr{}
	for _, c := range columns {
		name := t.Columns[c].Name
		o.Params = append(o.Params, &sqlparser.JSONObjectParam{Key: sqlparser.NewStrLiteral(name), Value: sqlparser.NewColName(name)})
	}
	return plan.BindRow(t, o)
}
