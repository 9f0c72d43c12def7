package main

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// peer is a database that answers.
type peer interface {
	// ask runs a statement.
	ask(ctx context.Context, statement string) answer
}

// kalam is a connection to Kalam.
type kalam struct {
	conn  *sql.Conn
	limit time.Duration // for a statement; 0: none
}

// ask implements peer.
func (k kalam) ask(ctx context.Context, statement string) (a answer) {
	if k.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, k.limit)
		defer cancel()
		defer func() {
			if a.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				a.err = errTooLong
			}
		}()
	}
	rows, err := k.conn.QueryContext(ctx, statement)
	if err != nil {
		return answer{err: err}
	}
	defer func() { a.err = errors.Join(a.err, rows.Close()) }()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return answer{err: err}
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range into {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return answer{err: err}
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = format(v, columns[i].DatabaseTypeName())
		}
		a.rows = append(a.rows, row)
	}
	a.err = rows.Err()
	return a
}

// format writes a value as MySQL's client does.
func format(v any, typ string) string {
	switch v := v.(type) {
	case nil:
		return null
	case []byte:
		return string(v)
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		if v {
			return "1"
		}
		return "0"
	case time.Time:
		switch {
		case v.IsZero() && typ == "DATE":
			return "0000-00-00"
		case v.IsZero():
			return "0000-00-00 00:00:00"
		case typ == "DATE":
			return v.Format(time.DateOnly)
		}
		return v.Format("2006-01-02 15:04:05.999999")
	}
	return "unknown type"
}

// defect reports errors that are Kalam's own fault, whatever the statement.
func defect(err error) bool {
	return errors.Is(err, sqlerr.Internal) || errors.Is(err, sqlerr.Corrupt)
}

// refused reports statements that Kalam does not support.
func refused(err error) bool { return errors.Is(err, sqlerr.NotSupported) }
