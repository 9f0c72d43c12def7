package kalam_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	"github.com/kalamgo/kalam"
)

func Example() {
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`CREATE TABLE notes (id BIGINT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(80) UNIQUE);
		INSERT INTO notes (title) VALUES ('Bread'), ('Salt')`)
	if err != nil {
		log.Fatal(err)
	}
	rows, err := db.Query("SELECT id, title FROM notes WHERE title LIKE ?", "B%")
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var title string
		if err := rows.Scan(&id, &title); err != nil {
			log.Fatal(err)
		}
		fmt.Println(id, title)
	}
	// Output: 1 Bread
}

func ExampleInsertRows() {
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE squares (n INT PRIMARY KEY, square INT)"); err != nil {
		log.Fatal(err)
	}
	rows := func(yield func([]any, error) bool) {
		for n := range 1000 {
			if !yield([]any{n, n * n}, nil) {
				return
			}
		}
	}
	n, err := kalam.InsertRows(context.Background(), db, "INSERT INTO squares VALUES (?, ?)", rows)
	fmt.Println(n, err)
	// Output: 1000 <nil>
}

func ExampleError() {
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE users (name VARCHAR(20) PRIMARY KEY); INSERT INTO users VALUES ('ada')"); err != nil {
		log.Fatal(err)
	}
	_, err = db.Exec("INSERT INTO users VALUES (?)", "ada")
	fmt.Println(errors.Is(err, kalam.ErrDuplicateEntry))
	var e *kalam.Error
	if errors.As(err, &e) {
		fmt.Println(e.Kind.Number, e.Kind.State, e.Message)
	}
	// Output:
	// true
	// 1062 23000 Duplicate entry 'ada' for key 'users.PRIMARY'
}
