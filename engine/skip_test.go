package engine

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/store"
)

// TestSegmentsSkipped compares filters that let scans pass over segments with the same
// filters in a form that bounds no column.
func TestSegmentsSkipped(t *testing.T) {
	t.Parallel()
	e := openStore(t, Config{LockWait: time.Second}, store.Config{SegmentRows: 16})
	s := newSession(t, e, SessionConfig{})
	run(t, s, `CREATE TABLE t (id INT PRIMARY KEY, i INT, u BIGINT UNSIGNED NOT NULL, f DOUBLE, g FLOAT, d DECIMAL(10,2), big DECIMAL(30,2),
		s VARCHAR(200), ci VARCHAR(50) COLLATE utf8mb4_0900_ai_ci, b VARBINARY(200), bin BINARY(4), day DATE, at DATETIME(3), ts TIMESTAMP NULL, tod TIME,
		y YEAR, e ENUM('z', 'm', 'a'), bits BIT(8), v INT AS (i * 2), st INT AS (i + 1) STORED) WITH (PACK='off')`)
	var b strings.Builder
	for i := range 320 {
		num := func(f string) string {
			if i/16 == 7 || i%50 == 9 { // a segment of NULLs, and some others
				return "NULL"
			}
			return fmt.Sprintf(f, i)
		}
		text := fmt.Sprintf("'%s%04d'", strings.Repeat([]string{"a", "\xc3\xa9", "z"}[i/110], 20), i)
		if i/16 == 9 {
			text = "NULL"
		}
		fmt.Fprintf(&b, ", (%d, %s, %d, %s, %s, %s, %s, %s, %s, %s, '%c', '2024-01-01' + INTERVAL %d DAY, '2024-01-01' + INTERVAL %d HOUR, '2024-01-01' + INTERVAL %d HOUR, SEC_TO_TIME(%d), %d, %s, %d)",
			i, num("%d"), i*100, num("%d.5"), num("-%d.25"), num("%d.10"), num("%d.10"), text, text, text, 'a'+i/16, i, i, i, i*60, 1950+i/4, num("%d%%3 + 1"), i/2)
	}
	run(t, s, "INSERT INTO t (id, i, u, f, g, d, big, s, ci, b, bin, day, at, ts, tod, y, e, bits) VALUES "+b.String()[2:])
	run(t, s, "ALTER TABLE t ADD COLUMN later INT DEFAULT 5")
	query(t, s, "PACK TABLE t")
	// Rows over the segments, and columns that the segments have not, or of another type.
	run(t, s, "UPDATE t SET i = 100000, s = 'shadow' WHERE id IN (3, 40, 200)")
	run(t, s, "DELETE FROM t WHERE id BETWEEN 60 AND 70")
	run(t, s, "UPDATE t SET i = NULL, later = 9 WHERE id = 100")
	run(t, s, "ALTER TABLE t ADD COLUMN last INT NOT NULL DEFAULT 7, MODIFY i BIGINT")
	run(t, s, "INSERT INTO t (id, i, u) VALUES (1000, 5, 5)")

	skipped := regexp.MustCompile(`segments skipped=(\d+)`)
	for _, c := range []struct {
		cond string
		skip string // segments; "": none
	}{
		{"i = 5", "19"},
		{"i = 100000", "20"}, // shadows only
		{"i IN (5, 300)", "18"},
		{"i BETWEEN 30 AND 33", "18"},
		{"i < 5", "19"},
		{"i <= -1", "20"},
		{"i > 318", "19"},
		{"5 > i", "19"},
		{"i < 3 OR i > 310", "18"},
		{"i < 3 OR u > 310", ""},
		{"i < 3 AND u > 31000", "20"},
		{"i IS NULL", "12"},
		{"i IS NOT NULL", ""},
		{"i <=> NULL", "12"},
		{"i = NULL", "20"},
		{"NOT i > 5", ""},
		{"i <> 5", ""},
		{"i = 5.5", "20"},
		{"i < 5.5", "19"},
		{"i = '5'", "19"},
		{"i = 18446744073709551615", "20"},
		{"u = -1", "20"},
		{"u > 18446744073709551614", "20"},
		{"u < 1600", "19"},
		{"f = 7.5", "19"},
		{"f > 1e300", "20"},
		{"g < -300", "18"},
		{"d >= 318.095", "19"},
		{"big >= 318.095", ""},
		{"s = 'aaaaaaaaaaaaaaaaaaaa0005'", "19"},
		{"s LIKE 'aaaaaaaaaaaaaaaaaaaa00%'", "13"},
		{"s > 'é'", "13"},
		{"s = 'shadow'", "19"}, // of 'aaa' to 'ééé' there may be,
		{"s IS NULL", "19"},
		{"s IN ('shadow', 'é')", "18"},
		{"ci = 'AAAAAAAAAAAAAAAAAAAA0005'", ""},
		{"ci >= 'é'", ""},
		{"b = 'aaaaaaaaaaaaaaaaaaaa'", "20"},
		{"b > x'f0'", "20"},
		{"bin = 'b\\0\\0\\0'", "19"},
		{"bin >= 's'", "18"},
		{"day = '2024-01-10'", "19"},
		{"day > '2024-11-01 12:00:00'", "19"},
		{"at < '2024-01-01 05:00:00.0005'", "19"},
		{"tod >= '05:15:00'", "19"},
		{"y = 1950", "19"},
		{"e = 'm'", "1"},
		{"bits = 0", "19"},
		{"v = 10", ""},
		{"st = 6", "19"},
		{"later = 9", "20"},
		{"later = 5", ""},
		{"last = 7", ""},
		{"last = 8", ""},
		{"ts = '2024-01-01 05:00:00'", ""},
		{"i = 5 AND id > 3", "19"},
		{"i = 5 AND id > 200", "8"},
		{"i = (SELECT 5)", ""},
		{"i = ABS(-5)", "19"},
		{"i = 5 AND RAND() < 2", "19"},
	} {
		all := query(t, s, "SELECT id FROM t FORCE INDEX (PRIMARY) WHERE ("+c.cond+") OR id + 0 IS NULL ORDER BY id")
		for _, order := range []string{"", " ORDER BY id DESC"} {
			got := query(t, s, "SELECT id FROM (SELECT id FROM t WHERE "+c.cond+order+" LIMIT 100000) x ORDER BY id")
			if got != all {
				t.Errorf("%s: %s, not %s", c.cond, got, all)
			}
		}
		n := ""
		if m := skipped.FindStringSubmatch(query(t, s, "EXPLAIN ANALYZE SELECT id FROM t WHERE "+c.cond)); m != nil {
			n = m[1]
		}
		if n != c.skip {
			t.Errorf("%s: segments skipped %q, not %q", c.cond, n, c.skip)
		}
	}
	// Warnings and errors come once, from the filter.
	query(t, s, "SELECT COUNT(*) FROM t WHERE i = 1 / 0")
	wantText(t, query(t, s, "SHOW WARNINGS"), "Warning|1365|Division by 0;")
	// A prepared statement has its own values each time; a transaction sees its own rows.
	run(t, s, "PREPARE p FROM 'SELECT COUNT(*) FROM t WHERE i BETWEEN ? AND ?'; SET @a = 10, @b = 19")
	wantText(t, query(t, s, "EXECUTE p USING @a, @b"), "10;")
	run(t, s, "SET @a = 300")
	wantText(t, query(t, s, "EXECUTE p USING @a, @b"), "0;")
	run(t, s, "BEGIN; UPDATE t SET i = -3 WHERE i = 250")
	wantText(t, query(t, s, "SELECT id FROM t WHERE i = -3"), "250;")
	wantText(t, query(t, s, "SELECT COUNT(*) FROM t WHERE i = 250"), "0;")
	run(t, s, "ROLLBACK; UPDATE t SET i = -4 WHERE i IN (17, 100000); DELETE FROM t WHERE i = -4 AND id > 3")
	wantText(t, query(t, s, "SELECT id FROM t WHERE i < 0"), "3;")
}
