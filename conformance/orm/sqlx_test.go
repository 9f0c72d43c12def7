package orm

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
)

type City struct {
	ID      int64
	Name    string
	People  sql.NullInt64
	Founded *time.Time
	Country `db:"country"`
}

type Country struct {
	Code string
}

// cities returns a database with three of them.
func cities(t *testing.T) *sqlx.DB {
	t.Helper()
	db := sqlx.NewDb(open(t), "mysql")
	db.MustExec(`CREATE TABLE cities (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE, people BIGINT, founded DATE, code CHAR(2))`)
	founded := time.Date(969, 7, 6, 0, 0, 0, 0, time.UTC)
	_, err := db.NamedExec(`INSERT INTO cities (name, people, founded, code) VALUES (:name, :people, :founded, :country.code)`, []City{
		{Name: "Cairo", People: sql.NullInt64{Int64: 10_100_000, Valid: true}, Founded: &founded, Country: Country{"EG"}},
		{Name: "Kraków", People: sql.NullInt64{Int64: 800_000, Valid: true}, Country: Country{"PL"}},
		{Name: "Atlantis", Country: Country{"??"}},
	})
	must(t, err)
	return db
}

func TestSQLXReads(t *testing.T) {
	t.Parallel()
	db := cities(t)
	const all = `SELECT id, name, people, founded, code AS "country.code" FROM cities `
	var list []City
	must(t, db.Select(&list, all+"ORDER BY id"))
	equal(t, "rows", len(list), 3)
	equal(t, "time", list[0].Founded.Format(time.DateOnly), "0969-07-06")
	equal(t, "NULL", []any{list[2].People.Valid, list[2].Founded == nil}, []any{false, true})
	equal(t, "embedded", list[1].Code, "PL")

	var one City
	must(t, db.Get(&one, all+"WHERE name = ?", "Kraków"))
	equal(t, "one", one.People.Int64, int64(800_000))
	equal(t, "none", errors.Is(db.Get(&one, all+"WHERE id = 99"), sql.ErrNoRows), true)
	var n int
	must(t, db.Get(&n, "SELECT COUNT(*) FROM cities"))
	equal(t, "count", n, 3)

	query, args, err := sqlx.In("SELECT name FROM cities WHERE id IN (?) AND code <> ? ORDER BY name", []int{1, 2, 3}, "??")
	must(t, err)
	var names []string
	must(t, db.Select(&names, db.Rebind(query), args...))
	equal(t, "in", names, []string{"Cairo", "Kraków"})

	rows, err := db.NamedQuery(all+"WHERE people > :least ORDER BY id", map[string]any{"least": 1_000_000})
	must(t, err)
	defer rows.Close()
	for n = 0; rows.Next(); n++ {
		must(t, rows.StructScan(&one))
	}
	must(t, rows.Err())
	equal(t, "named", []any{n, one.Name}, []any{1, "Cairo"})

	m := map[string]any{}
	must(t, db.QueryRowx("SELECT id, people FROM cities WHERE id = 3").MapScan(m))
	equal(t, "map", m, map[string]any{"id": int64(3), "people": nil})
	values, err := db.QueryRowx("SELECT id, people FROM cities WHERE id = 1").SliceScan()
	must(t, err)
	equal(t, "slice", values, []any{int64(1), int64(10_100_000)})
}

func TestSQLXPrepared(t *testing.T) {
	t.Parallel()
	db := cities(t)
	byID, err := db.Preparex("SELECT name FROM cities WHERE id = ?")
	must(t, err)
	defer byID.Close()
	for id, want := range []string{"Cairo", "Kraków", "Atlantis"} {
		var name string
		must(t, byID.Get(&name, id+1))
		equal(t, "prepared", name, want)
	}
	byCode, err := db.PrepareNamed("SELECT name FROM cities WHERE code = :code")
	must(t, err)
	defer byCode.Close()
	var names []string
	must(t, byCode.Select(&names, Country{"PL"}))
	equal(t, "prepared with names", names, []string{"Kraków"})
}

func TestSQLXTransaction(t *testing.T) {
	t.Parallel()
	db := cities(t)
	tx := db.MustBegin()
	tx.MustExec("DELETE FROM cities WHERE id = ?", 3)
	must(t, tx.Rollback())
	tx = db.MustBegin()
	done, err := tx.NamedExec("UPDATE cities SET people = :people WHERE id = :id", City{ID: 3, People: sql.NullInt64{Int64: 1, Valid: true}})
	must(t, err)
	changed, err := done.RowsAffected()
	must(t, err)
	must(t, tx.Commit())
	var people int64
	must(t, db.Get(&people, "SELECT people FROM cities WHERE id = 3"))
	equal(t, "committed", []int64{changed, people}, []int64{1, 1})
}
