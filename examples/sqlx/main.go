// Command sqlx shows Kalam below github.com/jmoiron/sqlx: structs as rows,
// named queries and lists of values.
//
//	go run ./examples/sqlx
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/jmoiron/sqlx"

	_ "github.com/kalamgo/kalam/driver"
)

// Book is a row of the table books.
type Book struct {
	ID       int64
	Title    string
	Author   string
	Year     int
	Price    string           // DECIMAL, exact
	LentOn   sql.Null[string] `db:"lent_on"`
	Returned sql.Null[time.Time]
}

const schema = `CREATE TABLE books (
	id       BIGINT AUTO_INCREMENT PRIMARY KEY,
	title    VARCHAR(80) NOT NULL,
	author   VARCHAR(40) NOT NULL,
	year     SMALLINT NOT NULL,
	price    DECIMAL(6,2) NOT NULL,
	lent_on  VARCHAR(10),
	returned DATETIME,
	INDEX by_author (author, year)
)`

func init() {
	// Kalam takes MySQL's question marks.
	sqlx.BindDriver("kalam", sqlx.QUESTION)
}

func main() {
	if err := run(context.Background(), os.Stdout, ":memory:"); err != nil {
		log.Fatal(err)
	}
}

// run works on the database that dsn names, in which it creates a table.
func run(ctx context.Context, out io.Writer, dsn string) (err error) {
	db, err := sqlx.ConnectContext(ctx, "kalam", dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}

	// A slice of structs is one INSERT of many rows.
	returned := time.Date(2025, 3, 14, 16, 30, 0, 0, time.UTC)
	books := []Book{
		{Title: "Middlemarch", Author: "George Eliot", Year: 1871, Price: "12.50"},
		{Title: "Silas Marner", Author: "George Eliot", Year: 1861, Price: "8.00", LentOn: sql.Null[string]{V: "2025-02-01", Valid: true}},
		{Title: "Emma", Author: "Jane Austen", Year: 1815, Price: "9.95", Returned: sql.Null[time.Time]{V: returned, Valid: true}},
		{Title: "Persuasion", Author: "Jane Austen", Year: 1817, Price: "9.95"},
		{Title: "Villette", Author: "Charlotte Brontë", Year: 1853, Price: "11.00"},
	}
	result, err := db.NamedExecContext(ctx, `INSERT INTO books (title, author, year, price, lent_on, returned)
		VALUES (:title, :author, :year, :price, :lent_on, :returned)`, books)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d books\n", n)

	// One row into a struct.
	var emma Book
	if err := db.GetContext(ctx, &emma, "SELECT * FROM books WHERE title = ?", "Emma"); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %s, %d, %s, returned %s\n",
		emma.Title, emma.Author, emma.Year, emma.Price, emma.Returned.V.Format("2 January 2006, 15:04"))

	// A struct's fields as parameters, and rows one by one.
	rows, err := db.NamedQueryContext(ctx, "SELECT * FROM books WHERE author = :author AND year >= :year ORDER BY year",
		Book{Author: "George Eliot", Year: 1860})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var b Book
		if err := rows.StructScan(&b); err != nil {
			return err
		}
		lent := "at home"
		if b.LentOn.Valid {
			lent = "lent on " + b.LentOn.V
		}
		fmt.Fprintf(out, "%d %s: %s\n", b.Year, b.Title, lent)
	}
	if err := rows.Err(); err != nil {
		return err
	}

	// A list of values in IN.
	query, args, err := sqlx.In("SELECT title FROM books WHERE year IN (?) ORDER BY title", []int{1815, 1817, 1853})
	if err != nil {
		return err
	}
	var titles []string
	if err := db.SelectContext(ctx, &titles, db.Rebind(query), args...); err != nil {
		return err
	}
	fmt.Fprintln(out, titles)
	return nil
}
