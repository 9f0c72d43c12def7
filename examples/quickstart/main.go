// Command quickstart shows Kalam with database/sql alone: it opens a database,
// creates tables, writes in a transaction, queries, and tells errors apart.
//
//	go run ./examples/quickstart
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

	"github.com/kalamgo/kalam"
)

func main() {
	dir, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), os.Stdout, filepath.Join(dir, "shop.kdb"))
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
}

// run works on the database at path, which it creates.
func run(ctx context.Context, out io.Writer, path string) (err error) {
	db, err := sql.Open("kalam", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	// Several statements may stand in one call.
	_, err = db.ExecContext(ctx, `
		CREATE TABLE items (
			id    BIGINT AUTO_INCREMENT PRIMARY KEY,
			name  VARCHAR(40) NOT NULL UNIQUE,
			price DECIMAL(8,2) NOT NULL,
			stock INT NOT NULL DEFAULT 0
		);
		CREATE TABLE orders (
			id   BIGINT AUTO_INCREMENT PRIMARY KEY,
			item BIGINT NOT NULL,
			n    INT NOT NULL,
			INDEX by_item (item)
		)`)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO items (name, price, stock) VALUES
		('lamp', 24.90, 5), ('chair', 89.00, 2), ('mug', 7.50, 40)`)
	if err != nil {
		return err
	}

	for _, o := range []struct {
		item string
		n    int
	}{{"lamp", 2}, {"mug", 12}, {"lamp", 1}, {"chair", 3}} {
		switch err := order(ctx, db, o.item, o.n); {
		case errors.Is(err, errSoldOut):
			fmt.Fprintf(out, "%d × %s: %v\n", o.n, o.item, err)
		case err != nil:
			return err
		default:
			fmt.Fprintf(out, "%d × %s: ordered\n", o.n, o.item)
		}
	}

	// Errors have kinds, to be told apart without looking at their text.
	_, err = db.ExecContext(ctx, "INSERT INTO items (name, price) VALUES (?, ?)", "mug", "8.00")
	var e *kalam.Error
	if !errors.Is(err, kalam.ErrDuplicateEntry) || !errors.As(err, &e) {
		return fmt.Errorf("a second mug: %w", err)
	}
	fmt.Fprintf(out, "a second mug: refused by %s, MySQL's error %d\n", e.Constraint, e.Kind.Number)

	return report(ctx, out, db)
}

var errSoldOut = errors.New("not enough in stock")

// order takes n items from the stock and notes the order, or does neither.
func order(ctx context.Context, db *sql.DB, item string, n int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	result, err := tx.ExecContext(ctx, "UPDATE items SET stock = stock - ? WHERE name = ? AND stock >= ?", n, item, n)
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err != nil {
		return err
	} else if changed == 0 {
		return errSoldOut
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO orders (item, n) SELECT id, ? FROM items WHERE name = ?", n, item)
	if err != nil {
		return err
	}
	return tx.Commit()
}

func report(ctx context.Context, out io.Writer, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `
		SELECT i.name, i.stock, COUNT(o.id), COALESCE(SUM(o.n * i.price), 0)
		FROM items i LEFT JOIN orders o ON o.item = i.id
		GROUP BY i.id, i.name, i.stock
		ORDER BY 4 DESC`)
	if err != nil {
		return err
	}
	defer rows.Close()
	fmt.Fprintln(out, "item   stock  orders  turnover")
	for rows.Next() {
		var name, turnover string // a DECIMAL is exact as a string
		var stock, orders int
		if err := rows.Scan(&name, &stock, &orders, &turnover); err != nil {
			return err
		}
		fmt.Fprintf(out, "%-5s  %5d  %6d  %8s\n", name, stock, orders, turnover)
	}
	return rows.Err()
}
