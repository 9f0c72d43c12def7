package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// largeSum is the sum of column a of n rows with the ids from 0 on, each id's a being
// id * 7 % 1000003.
func largeSum(n int) (sum int64) {
	for i := range n {
		sum += int64(i) * 7 % 1000003
	}
	return sum
}

// large makes n rows by one INSERT … SELECT, copies them by another, and loads them from a
// file; each is one transaction. It returns how many checks failed: that all rows are there, and that the
// process never had more than limit bytes in memory.
func large(ctx context.Context, out io.Writer, dir string, n int, limit int64) (failed int, err error) {
	db, err := sql.Open("kalam", "file:"+filepath.Join(dir, "large.kdb")+"?sync=normal")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	const columns = "(id INT PRIMARY KEY, a INT NOT NULL, b VARCHAR(40), KEY a (a))"
	setup := []string{"CREATE TABLE ten (n INT)", "INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
		"CREATE TABLE source " + columns, "CREATE TABLE copied " + columns, "CREATE TABLE loaded " + columns}
	for _, s := range setup {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return 0, err
		}
	}
	digits, from, scale := []string{}, []string{}, 1
	for i := 0; scale < n; i++ {
		digits = append(digits, fmt.Sprintf("t%d.n * %d", i, scale))
		from = append(from, fmt.Sprintf("ten t%d", i))
		scale *= 10
	}
	file := filepath.Join(dir, "large.csv")
	sum, passed := largeSum(n), 0
	for _, step := range []struct{ name, table, sql string }{
		{"INSERT … SELECT of an expression", "source", fmt.Sprintf("INSERT INTO source SELECT id, id * 7 %% 1000003, CONCAT('row ', id) FROM (SELECT %s AS id FROM %s) d WHERE id < %d",
			strings.Join(digits, " + "), strings.Join(from, " JOIN "), n)},
		{"INSERT … SELECT of a table", "copied", "INSERT INTO copied SELECT * FROM source"},
		{"LOAD DATA", "loaded", "LOAD DATA INFILE '" + file + "' INTO TABLE loaded FIELDS TERMINATED BY ','"},
	} {
		if step.table == "loaded" {
			if err := writeRows(file, n); err != nil {
				return failed, err
			}
		}
		resetPeak()
		begin := time.Now()
		if _, err := db.ExecContext(ctx, step.sql); err != nil {
			return failed, fmt.Errorf("%s: %w", step.name, err)
		}
		took, most := time.Since(begin), peak()
		var rows, got int64
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*), SUM(a) FROM "+step.table).Scan(&rows, &got); err != nil {
			return failed, err
		}
		fmt.Fprintf(out, "%s: %d rows in %.1f s, at most %d MiB in memory\n", step.name, rows, took.Seconds(), most>>20)
		for _, ok := range []bool{rows == int64(n) && got == sum, most <= limit} {
			if ok {
				passed++
			} else {
				failed++
			}
		}
		if rows != int64(n) || got != sum {
			fmt.Fprintf(out, "%s: %d rows, whose sum is %d and not %d\n", step.name, rows, got, sum)
		}
		if most > limit {
			fmt.Fprintf(out, "%s: that is more than %d MiB\n", step.name, limit>>20)
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	return failed, nil
}

// writeRows writes a file of rows in another order than that of their ids.
func writeRows(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for half := range 2 {
		for i := half; i < n; i += 2 {
			fmt.Fprintf(w, "%d,%d,row %d\n", i, i*7%1000003, i)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// resetPeak makes peak begin anew.
func resetPeak() { os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peak returns the most memory that the process had since resetPeak; 0 where Linux does not
// tell.
func peak() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}
