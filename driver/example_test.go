package driver_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/kalamgo/kalam/driver"
)

// A Connector is made of a Config where a data source name would have to be put together.
func ExampleNewConnector() {
	connector, err := driver.NewConnector(driver.Config{Memory: true, Sync: driver.SyncNormal})
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	var sum int
	if err := db.QueryRow("SELECT 1 + 1").Scan(&sum); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum)
	// Output: 2
}

// Several statements run in one call; their results come one after another.
func Example_resultSets() {
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(context.Background(), `
		CREATE TABLE t (a INT);
		INSERT INTO t VALUES (1), (2), (3);
		SELECT COUNT(*) FROM t;
		SELECT MAX(a) FROM t`)
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				log.Fatal(err)
			}
			fmt.Println(n)
		}
	}
	if err := rows.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 3
	// 3
}

func ExampleParseDSN() {
	c, err := driver.ParseDSN("file:app.kdb?sync=normal&cache_mb=256")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Path, c.Sync, c.CacheMB)
	_, err = driver.ParseDSN("file:app.kdb?cash_mb=256")
	fmt.Println(err)
	// Output:
	// app.kdb normal 256
	// Error 20005 (HY000): unknown option "cash_mb"; known are user, password, namespace, sync, readonly, create, loc, cache_mb, mem_limit, write_buffer_mb, lock_wait_timeout, job_history, job_age, node, mode
}
