package driver_test

import (
	"database/sql"
	"testing"
)

// TestReturning reads RETURNING's rows through database/sql: by Query, by a
// prepared statement, and not at all by Exec.
func TestReturning(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:")
	exec(t, db, "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, b LONGTEXT)")
	var id int64
	var b string
	if err := db.QueryRow("INSERT INTO t (b) VALUES (?) RETURNING id, concat(b, ?)", "x", "y").Scan(&id, &b); err != nil || id != 1 || b != "xy" {
		t.Errorf("got %d, %q, %v", id, b, err)
	}
	st, err := db.Prepare("UPDATE t SET b = ? WHERE id = ? RETURNING b, ?")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var third int
	if err := st.QueryRow("z", 1, 3).Scan(&b, &third); err != nil || b != "z" || third != 3 {
		t.Errorf("got %q, %d, %v", b, third, err)
	}
	if err := db.QueryRow("UPDATE t SET b = :b WHERE id = :id RETURNING :id + 1", sql.Named("id", 1), sql.Named("b", "w")).Scan(&third); err != nil || third != 2 {
		t.Errorf("got %d, %v", third, err)
	}
	r, err := db.Exec("INSERT INTO t (b) VALUES ('p'), ('q') RETURNING id")
	if err != nil {
		t.Fatal(err)
	}
	if last, _ := r.LastInsertId(); last != 2 {
		t.Errorf("LastInsertId %d", last)
	}
	if n, _ := r.RowsAffected(); n != 2 {
		t.Errorf("RowsAffected %d", n)
	}
}
