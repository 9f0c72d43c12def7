package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/live"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/types"
)

// trimEvery is how often changes are looked for that were kept for long enough.
const trimEvery = time.Minute

// SubscribeOptions say what a subscription delivers. Nil and zero fields leave it at
// what the statement says.
type SubscribeOptions struct {
	LastRows *int64  // how many of the rows that are there come first; nil: all
	FromSeq  *uint64 // resumes after this change; no rows that are there come first then
	Buffer   int     // how many changes may wait in memory; 0: live.DefaultBuffer
	Old      bool    // also what rows were before
}

// Subscription is a live query that is independent of the session that made it. Next is
// called by one goroutine at a time, Close by any.
type Subscription struct {
	engine  *Engine
	sub     *live.Subscription
	columns []plan.ResultColumn
	using   sync.Mutex
}

// Subscribe begins a live query: of SUBSCRIBE TO … or of a SELECT. Errors: sqlerr.NotSupported
// for a query that cannot be one, ChangesGone.
func (s *Session) Subscribe(ctx context.Context, sql string, args []Arg, o SubscribeOptions) (*Subscription, error) {
	st, err := s.adHoc(ctx, sql)
	if err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.engine.leave()
	if err := st.text.checkArgs(args); err != nil {
		return nil, err
	}
	if err := s.become(ctx); err != nil {
		return nil, err
	}
	if len(st.text.statements) > 1 {
		return nil, sqlerr.Unsupported("a live query of several statements")
	}
	one := st.text.statements[0]
	values, err := statementArgs(one, args, arguments{})
	if err != nil {
		return nil, err
	}
	n, ok := one.AST.(*parse.Subscribe)
	if !ok {
		n = &parse.Subscribe{Query: one}
		for i := range one.Params {
			n.Arguments = append(n.Arguments, i)
		}
	}
	sub, err := s.subscribe(ctx, sql, n, values, &o)
	if err != nil {
		return nil, at(err, one)
	}
	return &Subscription{engine: s.engine, sub: sub, columns: sub.Columns()}, nil
}

// Columns describes the rows: the change's kind, its number, and the columns of the
// query, with SubscribeOptions.Old twice.
func (s *Subscription) Columns() []plan.ResultColumn { return s.columns }

// Seq returns the number of the last commit before it began.
func (s *Subscription) Seq() uint64 { return s.sub.Seq() }

// Old reports whether the rows have what they were before.
func (s *Subscription) Old() bool { return s.sub.Old() }

// Whole reports whether nothing follows of the commit of the rows that Next returned; it is
// false of rows that were there.
func (s *Subscription) Whole() bool { return s.sub.Whole() }

// ID returns what KILL LIVE QUERY names it by.
func (s *Subscription) ID() string { return s.sub.ID() }

// Next returns the next rows; it waits for them. The batch is valid until the next call.
// An error ends the subscription, unless it is sqlerr.Interrupted, when ctx ended.
func (s *Subscription) Next(ctx context.Context) (b *types.Batch, err error) {
	s.using.Lock()
	defer s.using.Unlock()
	if err := s.engine.enter(); err != nil {
		return nil, err
	}
	defer s.engine.leave()
	defer recovered("a live query", &err)
	return s.sub.Next(ctx)
}

// Close ends the subscription; a Next that waits returns sqlerr.Closed. It is idempotent.
func (s *Subscription) Close() error {
	s.sub.End()
	s.using.Lock()
	defer s.using.Unlock()
	if s.engine.enter() != nil {
		return nil // the engine's Close gave back what it held
	}
	defer s.engine.leave()
	return s.sub.Close()
}

// follow runs SUBSCRIBE. The rows of its result set do not end.
func (s *Session) follow(ctx context.Context, st *parse.Statement, n *parse.Subscribe, args arguments) (*resultSet, error) {
	set := &resultSet{session: s, sql: st.SQL, own: true, endless: true, x: &executable{runner: exec.NewRunner(nil)}}
	set.ctx, set.cancel = context.WithCancel(ctx)
	sub, err := s.subscribe(set.ctx, st.SQL, n, args, nil)
	if err != nil {
		set.cancel()
		return nil, err
	}
	set.op, set.columns = sub, sub.Columns()
	return set, nil
}

// subscribe begins a live query. o, unless it is nil, adds to the options that n has.
func (s *Session) subscribe(ctx context.Context, sql string, n *parse.Subscribe, args arguments, o *SubscribeOptions) (*live.Subscription, error) {
	if s.tx != nil {
		return nil, sqlerr.Unsupported("SUBSCRIBE in a transaction")
	}
	options, err := liveOptions(n, args, o)
	if err != nil {
		return nil, err
	}
	var inner arguments
	for _, i := range n.Arguments {
		inner.types, inner.values = append(inner.types, args.types[i]), append(inner.values, args.values[i])
	}
	inner = s.withVariables(n.Query, inner)
	for {
		p, version, err := s.planWatch(ctx, n.Query, inner.types, options.Last)
		if err != nil {
			return nil, at(err, n.Query)
		}
		t := s.newTransaction(TxOptions{Isolation: RepeatableRead, ReadOnly: true})
		rt := &s.newExecutable(ctx, t, inner).rt
		rt.Env.Warn, rt.Env.SetLastInsertID, rt.Env.Locks = nil, nil, nil
		q := live.Query{Plan: p, Runtime: rt, User: s.user, Connection: s.id, Owner: s.cfg.Owner, SQL: sql, Options: options, Done: t.Rollback}
		sub, ok, err := s.engine.live.Open(ctx, q, t.Start, func(f func() error) (bool, error) { return s.engine.catalog.While(version, f) })
		if ok && err == nil {
			return sub, nil
		}
		t.Rollback()
		if err != nil {
			return nil, err
		}
	}
}

// planWatch returns the plan of a live query, and the version of the catalogue for
// which it holds.
func (s *Session) planWatch(ctx context.Context, st *parse.Statement, params []types.Type, last int64) (p *plan.Plan, version uint64, err error) {
	defer recovered(st.SQL, &err)
	var signature []byte
	for _, t := range params {
		signature = appendSignature(signature, t)
	}
	version = s.engine.catalog.Version()
	key := s.planKey(fmt.Sprintf("live %d %s", last, st.SQL), version, signature, st.Dialect, 0)
	if p, ok := s.engine.plans.get(key); ok && !st.Variables {
		return p.Plan, version, s.mayUse(ctx, p.Plan)
	}
	if st.Into != nil || st.Discards {
		return nil, 0, sqlerr.Unsupported("INTO or DO in a live query")
	}
	ast := st.AST
	if st.Variables {
		if ast, err = s.replaceVariables(ast); err != nil {
			return nil, 0, err
		}
	}
	var limit sqlparser.Expr
	if last > 0 {
		limit = sqlparser.NewIntLiteral(strconv.FormatInt(last, 10))
	}
	o := s.planOptions(st.SQL, params)
	o.Locking, o.Allowed = st.Locking, s.allowed(ctx)
	if p, err = plan.BuildWatch(ctx, ast, limit, o); err != nil {
		return nil, 0, err
	}
	if !st.Variables {
		s.engine.plans.put(key, &preparedPlan{Plan: p}, 1024+32*len(st.SQL)+len(signature))
	}
	return p, version, nil
}

// checkSubscribe finds out whether SUBSCRIBE can run, before its parameters are known.
func (s *Session) checkSubscribe(ctx context.Context, n *parse.Subscribe) error {
	if err := checkOptions(n.Options); err != nil {
		return err
	}
	params := make([]types.Type, n.Query.Params+len(n.Query.UserVariables))
	for i := range params {
		params[i] = types.NullType
	}
	_, _, err := s.planWatch(ctx, n.Query, params, -1)
	return at(err, n.Query)
}

func checkOptions(list []parse.SubscribeOption) error {
	for i, o := range list {
		if err := checkOption(o); err != nil {
			return err
		}
		if slices.ContainsFunc(list[:i], func(other parse.SubscribeOption) bool { return other.Name == o.Name }) {
			return sqlerr.WrongOption.New("The option %s of SUBSCRIBE is given twice", o.Name).At(o.At + 1)
		}
	}
	return nil
}

func checkOption(o parse.SubscribeOption) error {
	truth := o.Value == "true" || o.Value == "false"
	switch o.Name {
	case "last_rows", "from_seq_id", "buffer":
		if !truth {
			return nil
		}
	case "old":
		if truth {
			return nil
		}
	default:
		return sqlerr.WrongOption.New("SUBSCRIBE has no option %s; it has last_rows, from_seq_id, buffer and old", o.Name).At(o.At + 1)
	}
	return sqlerr.WrongOption.New("The option %s of SUBSCRIBE can't have this value", o.Name).At(o.At + 1)
}

// liveOptions returns the options of SUBSCRIBE, and of a call.
func liveOptions(n *parse.Subscribe, args arguments, add *SubscribeOptions) (live.Options, error) {
	o := live.Options{Last: -1}
	if err := checkOptions(n.Options); err != nil {
		return o, err
	}
	for _, option := range n.Options {
		v, err := optionValue(option, args)
		if err != nil {
			return o, err
		}
		switch option.Name {
		case "last_rows":
			o.Last = int64(min(v, math.MaxInt64))
		case "from_seq_id":
			o.From = &v
		case "buffer":
			o.Buffer = int(min(v, math.MaxInt32))
			if v == 0 {
				return o, sqlerr.WrongOption.New("The option buffer of SUBSCRIBE can't be 0").At(option.At + 1)
			}
		case "old":
			o.Old = option.Value == "true"
		}
	}
	if add == nil {
		return o, nil
	}
	if add.LastRows != nil {
		o.Last = *add.LastRows
	}
	if add.FromSeq != nil {
		o.From = add.FromSeq
	}
	if add.Buffer > 0 {
		o.Buffer = add.Buffer
	}
	o.Old = o.Old || add.Old
	return o, nil
}

// optionValue returns the value of an option that is a number; 0 for others.
func optionValue(o parse.SubscribeOption, args arguments) (uint64, error) {
	if o.Param < 0 {
		n, _ := strconv.ParseUint(o.Value, 10, 64)
		return n, nil
	}
	if n, ok := args.unsigned(o.Param); ok {
		return n, nil
	}
	return 0, sqlerr.WrongOption.New("The option %s of SUBSCRIBE can't have this value", o.Name).At(o.At + 1)
}

// EndSubscriptions ends the live queries of the sessions with an owner.
func (e *Engine) EndSubscriptions(owner any) { e.live.EndOf(owner) }

// liveQueries lists the live queries, under the names that their tables have now.
func (e *Engine) liveQueries() []sqlmeta.LiveQuery {
	list := e.live.List()
	names := map[uint32]*schema.Table{}
	for i := range list {
		q := &list[i]
		t, known := names[q.TableID]
		if !known {
			t, _ = e.TableByID(context.Background(), q.TableID) // else under the name that it had
			names[q.TableID] = t
		}
		if t != nil {
			q.Namespace, q.Table = t.Namespace, t.Name
		}
	}
	return list
}
