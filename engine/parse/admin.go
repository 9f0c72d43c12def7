package parse

import (
	"strconv"

	"vitess.io/vitess/go/vt/sqlparser"
)

// KillJob is KILL JOB 'id'.
type KillJob struct {
	*sqlparser.OtherAdmin
	ID uint64
}

// administration reads a statement about jobs, users and rights; nil: it is none.
func (r *reader) administration(p *piece) (sqlparser.Statement, error) {
	switch {
	case r.take("kill"):
		if r.take("job") {
			return &KillJob{ID: r.id()}, nil
		}
		if r.take("live") {
			if !r.take("query") {
				r.failed = true
			}
			return &KillLive{ID: r.text()}, nil
		}
	case r.take("grant"):
		return r.grant(p, false)
	case r.take("revoke"):
		return r.grant(p, true)
	case r.take("show"):
		if r.take("grants") {
			return r.showGrants(p)
		}
		if r.take("jobs") {
			return r.showJobs(p), nil
		}
		if r.take("topics") {
			return &ShowTopics{}, nil
		}
		if r.take("topic") {
			r.want("groups")
			return &ShowTopics{Groups: true}, nil
		}
		if r.take("count") {
			return r.showCount(), nil
		}
	}
	return nil, nil
}

// showCount reads what comes after SHOW COUNT.
func (r *reader) showCount() sqlparser.Statement {
	for _, c := range "(*)" {
		r.sign(int(c))
	}
	n := &ShowCount{Errors: r.take("errors")}
	if !n.Errors && !r.take("warnings") {
		r.failed = true
	}
	return n
}

// showJobs reads what comes after SHOW JOBS, which is a query.
func (r *reader) showJobs(p *piece) sqlparser.Statement {
	where := ""
	if r.word("where") && p.positional == 0 && p.names == nil && !p.variables && !p.userVariables {
		where = r.sql[r.from:]
	}
	st, err := parseStrict("select id, kind, state, namespace, `table`, parameters, attempts, result, `error`, created_at, started_at, finished_at " +
		"from `system`.jobs " + where + " order by id")
	if err != nil {
		r.failed = true
		return &KillJob{}
	}
	if where != "" {
		r.typ = 0 // all is read
	}
	return st
}

// id reads a number, which may stand in quotes.
func (r *reader) id() uint64 {
	n, err := strconv.ParseUint(r.val, 10, 64)
	if r.failed || err != nil || r.typ != sqlparser.INTEGRAL && r.typ != sqlparser.STRING {
		r.failed = true
		return 0
	}
	r.next()
	return n
}
