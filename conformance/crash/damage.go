package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// damageFaults damages files of a copy of the database after each kill.
const damageFaults = "damage"

// examineVariable has the name of the file that tells a child what to examine.
const examineVariable = "KALAM_CRASH_EXAMINE"

// contents is what a database has: by table and primary key, rows.
type contents map[string]map[string]string

// keys are the columns of primary keys, by table; ddl_… have id.
var keys = map[string]string{"accounts": "id", "counter": "id", "lists": "id", "notes": "id", "transfers": "worker, seq"}

// examination is what a child examines.
type examination struct {
	Damaged, Salvaged string // a damaged database, and where what is saved of it goes
	Log               bool   // the damage is in a log
	Truth             contents
}

// The kinds of files that are damaged.
var damaged = map[string]string{"log": "*.log", "table file": "*.sst", "manifest": "MANIFEST-*"}

// damage damages a file of a copy of the database, has it examined by a child, and
// reports what became of it.
func (l *ledger) damage(random *rand.Rand, total *counts) error {
	files := []string{"log", "manifest"}
	if !l.spareTables {
		files = append(files, "table file", "table file")
	}
	what := files[random.IntN(len(files))]
	dir := l.path + ".damaged"
	e := examination{Damaged: dir, Salvaged: l.path + ".salvaged", Log: what == "log"}
	defer func() {
		for _, d := range []string{e.Damaged, e.Salvaged, dir + ".json"} {
			os.RemoveAll(d)
		}
	}()
	if err := os.CopyFS(dir, os.DirFS(l.path)); err != nil {
		return err
	}
	var err error
	if files, err = filepath.Glob(filepath.Join(dir, damaged[what])); err != nil {
		return err
	}
	if what == "manifest" { // older ones are not read
		current, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
		if err != nil {
			return err
		}
		files = []string{filepath.Join(dir, strings.TrimSpace(string(current)))}
	}
	files = slices.DeleteFunc(files, func(f string) bool {
		info, err := os.Stat(f)
		return err != nil || info.Size() == 0
	})
	if len(files) == 0 {
		return nil
	}
	file := files[random.IntN(len(files))]
	how, err := spoil(random, file, what == "table file")
	if err != nil {
		return err
	}
	if e.Truth, err = readAll(l.path); err != nil {
		return err
	}
	text, err := json.Marshal(e)
	if err == nil {
		err = os.WriteFile(dir+".json", text, 0o600)
	}
	if err != nil {
		return err
	}
	total.damaged++
	if err := e.inChild(dir+".json", total); err != nil {
		return fmt.Errorf("%s %s: %w", how, filepath.Base(file), err)
	}
	return nil
}

// spoil changes a file in a random way.
func spoil(random *rand.Rand, path string, mayRemove bool) (how string, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	at := random.IntN(len(content))
	switch n := random.IntN(7); {
	case n < 3:
		bit := random.IntN(8)
		how = fmt.Sprintf("bit %d of byte %d flipped in", bit, at)
		content[at] ^= 1 << bit
	case n < 5:
		how = fmt.Sprintf("all after byte %d is gone of", at)
		content = content[:at]
	case n == 5 && mayRemove:
		return "no file", os.Remove(path)
	default:
		end := min(at+1+random.IntN(5000), len(content))
		how = fmt.Sprintf("bytes %d to %d are 0 in", at, end)
		clear(content[at:end])
	}
	return how, os.WriteFile(path, content, 0o600)
}

// inChild examines in a process of its own, which RocksDB's assertions may end.
func (e *examination) inChild(file string, total *counts) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), examineVariable+"="+file)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var wrong []string
	for _, line := range strings.Split(stdout.String(), "\n") {
		switch what, rest, _ := strings.Cut(line, " "); what {
		case "refused":
			total.refused++
		case "saved":
			var saved, all int
			if _, err := fmt.Sscan(rest, &saved, &all); err != nil {
				return err
			}
			total.saved, total.savable = total.saved+saved, total.savable+all
		case "unsaved":
			total.unsaved++
		case "wrong":
			wrong = append(wrong, rest)
		}
	}
	switch {
	case wrong != nil:
		return errors.New(strings.Join(wrong, "; "))
	case err != nil && bytes.Contains(stderr.Bytes(), []byte("Assertion `")):
		total.aborts++
		return nil
	case err != nil:
		return fmt.Errorf("%v\n%s", err, head(stderr.Bytes()))
	}
	return nil
}

// examine is what the child does: damage may make databases refuse to open, and statements
// fail, with an error that says so. What they return must be right.
func examine(file string) int {
	text, err := os.ReadFile(file)
	var e examination
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	whole := map[string]bool{}
	// First, as that leaves the files as they are.
	salvaged := e.salvage()
	if e.Log {
		e.audit()
	} else {
		whole = e.read()
	}
	if salvaged {
		e.checkSalvaged(whole)
	}
	say("done")
	return 0
}

// tells reports whether err tells of damage.
func tells(err error) bool {
	for _, k := range []*sqlerr.Kind{sqlerr.Corrupt, sqlerr.CantOpen, sqlerr.NotADatabase, sqlerr.StorageIO} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// open opens the damaged database, nil when it refuses.
func (e *examination) open() *sql.DB {
	db, err := sql.Open("kalam", "file:"+e.Damaged+"?write_buffer_mb=1&cache_mb=8")
	if err == nil {
		err = db.Ping()
	}
	switch {
	case tells(err):
		say("refused %v", err)
		db.Close()
		return nil
	case err != nil:
		say("wrong opening: %v", err)
		return nil
	}
	return db
}

// audit checks a database with a damaged log: if it opens, it is as it was at an earlier
// moment, as after a crash.
func (e *examination) audit() {
	db := e.open()
	if db == nil {
		return
	}
	defer db.Close()
	l := newLedger(e.Damaged, "off", nil, noFaults)
	l.unchecked = 1 << 60
	a := auditor{l: l, db: db, mayLose: true}
	a.run(context.Background())
	for _, err := range a.failures {
		say("wrong after opening: %v", err)
	}
	for table, rows := range e.Truth {
		if got, err := readTable(db, table); err == nil && table == "transfers" {
			e.compareTransfers("opened", got, rows)
		}
	}
}

// read reads the damaged database, and returns which tables are readable.
func (e *examination) read() map[string]bool {
	whole := map[string]bool{}
	db := e.open()
	if db == nil {
		return whole
	}
	defer db.Close()
	for table, rows := range e.Truth {
		got, err := readTable(db, table)
		switch {
		case err == nil:
			if d := different(got, rows); d != "" {
				say("wrong rows of %s: %s", table, d)
			}
			whole[table] = true
		case !tells(err):
			say("wrong error of %s: %v", table, err)
		}
		e.point(db, table, rows)
		e.check(db, table, err != nil)
	}
	return whole
}

// point reads single rows.
func (e *examination) point(db *sql.DB, table string, rows map[string]string) {
	n := 0
	for key, row := range rows {
		if n++; n > 50 {
			return
		}
		var conditions []string
		for i, c := range strings.Split(keysOf(table), ", ") {
			conditions = append(conditions, c+" = "+strings.Split(key, " ")[i])
		}
		got, err := readRows(db, table, " WHERE "+strings.Join(conditions, " AND "))
		switch {
		case err != nil && !tells(err):
			say("wrong error of %s: %v", table, err)
		case err == nil && (len(got) != 1 || got[key] != row):
			say("wrong row of %s: %v for %q", table, got, row)
		}
	}
}

// check finds out whether CHECK TABLE tells of a table that can't be read.
func (e *examination) check(db *sql.DB, table string, damaged bool) {
	rows, err := db.Query("CHECK TABLE " + table + " EXTENDED")
	told := err != nil
	if err != nil && !tells(err) {
		say("wrong error of CHECK TABLE: %v", err)
	}
	if err == nil {
		defer rows.Close()
		for rows.Next() {
			var name, op, kind, text string
			if err := rows.Scan(&name, &op, &kind, &text); err != nil {
				say("wrong CHECK TABLE: %v", err)
			}
			told = told || kind == "error"
		}
	}
	if damaged && !told {
		say("wrong: CHECK TABLE finds nothing in %s", table)
	}
}

// salvage saves what is readable, and reports whether there was any.
func (e *examination) salvage() bool {
	_, err := engine.Salvage(context.Background(), e.Damaged, e.Salvaged, func(string) {})
	switch {
	case err == nil:
		return true
	case tells(err):
		say("unsaved %v", err)
	default:
		say("wrong error of salvage: %v", err)
	}
	return false
}

// checkSalvaged checks what was saved: nothing that never was, and all of the tables that
// are readable in the damaged database.
func (e *examination) checkSalvaged(whole map[string]bool) {
	got, err := readAll(e.Salvaged)
	if err != nil {
		say("wrong salvaged database: %v", err)
		return
	}
	db, err := sql.Open("kalam", "file:"+e.Salvaged)
	if err != nil {
		say("wrong salvaged database: %v", err)
		return
	}
	defer db.Close()
	a := auditor{l: newLedger(e.Salvaged, "off", nil, noFaults), db: db}
	rows, err := db.Query("CHECK DATABASE EXTENDED")
	if err != nil {
		say("wrong salvaged database: %v", err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var name, op, kind, text string
		if err := rows.Scan(&name, &op, &kind, &text); err != nil || kind == "error" {
			say("wrong salvaged table %s: %s, %v", name, text, err)
		}
	}
	saved, all := 0, 0
	for table, rows := range e.Truth {
		if d := different(got[table], rows); whole[table] && d != "" {
			say("wrong salvaged rows of %s: %s", table, d)
		}
		all += len(rows)
		for k := range rows {
			if _, ok := got[table][k]; ok {
				saved++
			}
		}
	}
	say("saved %d %d", saved, all)
	e.compareTransfers("salvaged", got["transfers"], e.Truth["transfers"])
	if got["lists"] != nil {
		a.each(context.Background(), "SELECT id, n, LENGTH(elements) - LENGTH(REPLACE(elements, ';', '')) FROM lists", func(n []int64) {
			if n[1] != n[2] {
				say("wrong salvaged list %d: it has %d elements and counts %d", n[0], n[2], n[1])
			}
		})
	}
	for _, err := range a.failures {
		say("wrong salvaged database: %v", err)
	}
}

// compareTransfers checks rows that are written once and never changed.
func (e *examination) compareTransfers(what string, got, want map[string]string) {
	for k, row := range got {
		if want[k] != row {
			say("wrong %s transfer %s: %q is %q", what, k, want[k], row)
		}
	}
}

// different tells of a difference.
func different(got, want map[string]string) string {
	for k, row := range want {
		if got[k] != row {
			return fmt.Sprintf("%s is %q, not %q", k, got[k], row)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, not %d", len(got), len(want))
	}
	return ""
}

func keysOf(table string) string {
	if k, ok := keys[table]; ok {
		return k
	}
	return "id"
}

// readAll reads a database.
func readAll(path string) (contents, error) {
	db, err := sql.Open("kalam", "file:"+path+"?readonly=true&cache_mb=8")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	names, err := strings1(context.Background(), db, "SHOW TABLES")
	all := contents{}
	for _, table := range names {
		if err == nil {
			all[table], err = readTable(db, table)
		}
	}
	return all, err
}

func readTable(db *sql.DB, table string) (map[string]string, error) {
	return readRows(db, table, "")
}

// readRows reads rows of a table.
func readRows(db *sql.DB, table, where string) (map[string]string, error) {
	rows, err := db.Query("SELECT " + keysOf(table) + ", " + table + ".* FROM " + table + where)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	n := 1 + strings.Count(keysOf(table), ",")
	all := map[string]string{}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		var key, row []string
		for i, v := range values {
			text := "NULL"
			if v.Valid {
				text = strconv.Quote(v.String)
			}
			if i < n {
				key = append(key, v.String)
			} else {
				row = append(row, text)
			}
		}
		all[strings.Join(key, " ")] = strings.Join(row, " ")
	}
	return all, rows.Err()
}
