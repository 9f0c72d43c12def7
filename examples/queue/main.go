// Command queue is a job queue in a table: workers take jobs with SELECT … FOR
// UPDATE SKIP LOCKED, each job once, and none waits for another.
//
//	go run ./examples/queue
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"sync"

	_ "github.com/kalamgo/kalam"
)

func main() {
	dir, err := os.MkdirTemp("", "queue")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), os.Stdout, filepath.Join(dir, "jobs.kdb"), 500)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
}

const workers = 32

// run queues jobs in the database at path, which it creates, and has them done.
func run(ctx context.Context, out io.Writer, path string, jobs int) (err error) {
	db, err := sql.Open("kalam", "file:"+path+"?sync=normal")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	_, err = db.ExecContext(ctx, `
		CREATE TABLE jobs (
			id       BIGINT AUTO_INCREMENT PRIMARY KEY,
			priority INT NOT NULL,
			state    ENUM('waiting', 'done') NOT NULL DEFAULT 'waiting',
			worker   INT,
			runs     INT NOT NULL DEFAULT 0,
			INDEX next_job (state, priority, id)
		)`)
	if err != nil {
		return err
	}
	for i := range jobs {
		if _, err := db.ExecContext(ctx, "INSERT INTO jobs (priority) VALUES (?)", i%3); err != nil {
			return err
		}
	}

	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for more := true; more && errs[w] == nil; {
				more, errs[w] = work(ctx, db, w)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}

	var done, once int
	err = db.QueryRowContext(ctx, "SELECT COUNT(*), SUM(runs = 1) FROM jobs WHERE state = 'done'").Scan(&done, &once)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d workers did %d jobs, %d of them exactly once\n", workers, done, once)
	return nil
}

// work takes a job and does it; false when there is none. Should the worker fail,
// the transaction ends without Commit, and the job is there for others.
func work(ctx context.Context, db *sql.DB, worker int) (bool, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() // does nothing after Commit
	var id int64
	err = tx.QueryRowContext(ctx, `
		SELECT id FROM jobs WHERE state = 'waiting'
		ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// … here the work itself would be done …
	_, err = tx.ExecContext(ctx, "UPDATE jobs SET state = 'done', worker = ?, runs = runs + 1 WHERE id = ?", worker, id)
	if err != nil {
		return false, err
	}
	return true, tx.Commit()
}
