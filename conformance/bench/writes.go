package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/kalamgo/kalam"
)

// writtenRows is how many rows there are to update.
const writtenRows = 10_000

// writes are of single rows, each durable when it returns, from some goroutines
// at a time.
func writes(n sizes, _ int) (list []workload) {
	at := func(i int) int {
		if i < 0 { // of a check
			return i
		}
		return spread(i, writtenRows)
	}
	// checked does some operations that are the same for all, on rows of their own.
	checked := func(run func(p *peer, from, count int) error) func(p *peer) (string, error) {
		return func(p *peer) (string, error) {
			if err := run(p, -5, 5); err != nil {
				return "", err
			}
			return p.answer("SELECT id, a, b, k, x, s FROM w WHERE id < 0 ORDER BY id")
		}
	}
	prepared := func(text string, goroutines int, args func(i int) []any) func(p *peer, from, count int) error {
		return func(p *peer, from, count int) error {
			stmt, err := p.db.Prepare(text)
			if err != nil {
				return err
			}
			defer stmt.Close()
			return together(goroutines, from, count, func(i int) error {
				res, err := stmt.Exec(args(i)...)
				if err != nil {
					return err
				}
				if rows, err := res.RowsAffected(); err != nil || rows != 1 {
					return fmt.Errorf("%d rows affected, %w", rows, err)
				}
				return nil
			})
		}
	}
	for at, goroutines := range []int{1, 8, 64} {
		offset := writtenRows + at*100_000_000
		insert := prepared(insertText("w", 6, 1), goroutines, func(i int) []any {
			values := row(max(i, 0))
			if i < 0 {
				values[0] = i
			} else {
				values[0] = offset + i
			}
			return values
		})
		list = append(list, workload{
			name: "INSERT" + by(goroutines), goroutines: goroutines, long: 3, reply: rowReply(0),
			setup: (*peer).createWritten, run: insert,
			raw: func(r *raw, from, count int) error {
				return together(goroutines, from, count, func(i int) error { return r.put(offset+i, row(i)) })
			},
			check: func(p *peer) (string, error) {
				if err := p.exec("DELETE FROM w WHERE id < 0"); err != nil {
					return "", err
				}
				return checked(insert)(p)
			},
		})
	}
	for _, goroutines := range []int{1, 8, 64} {
		update := prepared("UPDATE w SET a = a + 1, x = ? WHERE id = ?", goroutines, func(i int) []any { return []any{float64(i), at(i)} })
		list = append(list, workload{
			name: "UPDATE" + by(goroutines), goroutines: goroutines, long: 3,
			setup: (*peer).createWritten, run: update, check: checked(update),
		})
	}
	for _, goroutines := range []int{1, 8, 64} {
		list = append(list, workload{
			name: "DELETE" + by(goroutines), goroutines: goroutines, ops: n.deletes,
			setup: (*peer).createWritten,
			before: func(p *peer) error {
				if err := p.exec("DELETE FROM w"); err != nil {
					return err
				}
				return p.fill("w", n.deletes+10, row)
			},
			run:   prepared("DELETE FROM w WHERE id = ?", goroutines, func(i int) []any { return []any{i} }),
			check: func(p *peer) (string, error) { return p.answer("SELECT id, s FROM w ORDER BY id") },
		})
	}
	for _, goroutines := range []int{1, 8, 64} {
		change := func(p *peer, from, count int) error {
			return together(goroutines, from, count, func(i int) error { return p.readAndWrite(at(i)) })
		}
		list = append(list, workload{
			name: "transaction that reads and writes a row" + by(goroutines), goroutines: goroutines, long: 3,
			setup: (*peer).createWritten, run: change, check: checked(change),
		})
	}
	return list
}

func by(goroutines int) string {
	if goroutines == 1 {
		return ", 1 goroutine"
	}
	return fmt.Sprintf(", %d goroutines", goroutines)
}

// createWritten makes the table that is written to, with rows for checks beside
// its own.
func (p *peer) createWritten() error {
	if p.raw != nil || p.noop != nil {
		return nil
	}
	if err := p.createTable("w", ""); err != nil {
		return err
	}
	return p.fill("w", writtenRows+5, func(id int) []any {
		values := row(id)
		values[0] = id - 5
		return values
	})
}

// readAndWrite adds one to a number of a row that it has read. SQLite's
// transactions have the whole database for themselves from their beginning.
func (p *peer) readAndWrite(id int) error {
	query := "SELECT a FROM w WHERE id = ?"
	if p.dialect == mysql {
		query += " FOR UPDATE"
	}
	change := func(tx *sql.Tx) error {
		var a int
		if err := tx.QueryRow(query, id).Scan(&a); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE w SET a = ? WHERE id = ?", a+1, id)
		return err
	}
	if p.packs() {
		return kalam.RetryTx(context.Background(), p.db, nil, change)
	}
	tx, err := p.db.Begin()
	if err != nil {
		return err
	}
	if err := change(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
