package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/kalamgo/kalam"
)

var idChecks = []check{
	{"ids: separators, NUL bytes, empty, 64 KB, look-alikes, prefixes", func(ctx context.Context) error { return distinct(ctx, trickyIDs()) }},
	{"ids: random bytes and their neighbours", func(ctx context.Context) error { return distinct(ctx, neighbours(400)) }},
}

// trickyIDs are users that an encoding, a comparison or a text could mix up.
func trickyIDs() []string {
	long := strings.Repeat("x", 64<<10)
	return []string{
		"", " ", "  ", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "\xff", "\xff\xff", "\xff\x00",
		"a", "a ", "a\x00", "a\x00b", "a\x00\x01", "a\x00\xff", "a\x01", "a\xff", "ab", "b", "A", "Á", "á", "a\u0301", "а", "ａ", "a\u200b", "\ufeffa",
		"ß", "ss", "SS", "ſs", "ﬁ", "fi", "İ", "i", "ı", "I", "K", "\u212a", "0", "00", "٠", "1", "-1", "1.0", "NULL", "null", "\\N", "default", "system", "root", "root@localhost", "%", "_", "*",
		"a|b", "a|", "|b", "a/b", "a/", "/b", "../a", "a:b", "a;b", "a,b", "a\tb", "a\nb", "a\r\nb", "a.b", "a@b", "a'b", "a\"b", "a`b", "a\\b", "a--b", "a/*b", "$a", "?", ":a",
		"' OR '1'='1", "'); DROP TABLE t; --", "\u202ea", "🎈", "\xf0\x9f\x8e", "\xc3", "\xc3\x28",
		long, long + "\x00", long + "y", "y" + long, long[1:],
	}
}

// neighbours are random ids with others that differ from them by a byte.
func neighbours(n int) []string {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	var list []string
	add := func(b []byte) {
		if s := string(b); !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	bytes := []byte{0, 1, 2, 'a', 0x7f, 0x80, 0xfe, 0xff}
	for len(list) < n {
		b := make([]byte, rng.IntN(6))
		for i := range b {
			b[i] = bytes[rng.IntN(len(bytes))]
		}
		add(b)
		add(append(b[:len(b):len(b)], bytes[rng.IntN(len(bytes))]))
		if len(b) > 0 {
			add(b[:len(b)-1])
		}
	}
	return list
}

// distinct gives each user rows under the same keys, lets some change and remove
// theirs, and finds out whether all have what they should.
func distinct(ctx context.Context, users []string) error {
	db, err := open()
	if err != nil {
		return err
	}
	defer db.Close()
	const schema = `CREATE USER TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k INT UNIQUE, who INT, KEY who (who)) WITH (DELETED_RETENTION_HOURS=1);
		CREATE USER TABLE r (who INT); CREATE STREAM TABLE s (who INT, KEY who (who)) WITH (TTL_SECONDS=3600, MAX_BUFFER=3)`
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	for i, u := range users {
		_, err := db.ExecContext(kalam.WithUser(ctx, u), `INSERT INTO t (k, who) VALUES (1, ?), (2, ?), (3, ?); DELETE FROM t WHERE k = 3;
			INSERT INTO r VALUES (?), (?); INSERT INTO s VALUES (?), (?)`, i, i, i, i, i, i, i)
		if err != nil {
			return fmt.Errorf("user %d, %.20q: %w", i, u, err)
		}
	}
	// Every third user changes all there is, every fifth removes all.
	for i, u := range users {
		statement := ""
		switch {
		case i%5 == 4:
			statement = "TRUNCATE TABLE t; DELETE FROM r; DELETE FROM s"
		case i%3 == 2:
			statement = "UPDATE t SET k = k + 10; UPDATE r SET who = who + 0; INSERT INTO s SELECT who FROM s"
		default:
			continue
		}
		if _, err := db.ExecContext(kalam.WithUser(ctx, u), statement); err != nil {
			return fmt.Errorf("user %d, %.20q: %w", i, u, err)
		}
	}
	queries := []struct {
		sql                     string
		others, changed, remove string
	}{
		{"SELECT id, k, who, _deleted FROM t ORDER BY id", "1|1|@|0 2|2|@|0 3|3|@|1", "1|11|@|0 2|12|@|0 3|3|@|1", ""},
		{"SELECT k, who FROM t FORCE INDEX (who) WHERE who >= 0 ORDER BY who, k", "1|@ 2|@", "11|@ 12|@", ""},
		{"SELECT id, who FROM t FORCE INDEX (k) WHERE k > 0 ORDER BY k", "1|@ 2|@", "1|@ 2|@", ""},
		{"SELECT id, who FROM t WHERE id IN (1, 2, 3)", "1|@ 2|@", "1|@ 2|@", ""},
		{"SELECT who FROM t WHERE id = 2", "@", "@", ""},
		{"SELECT who FROM r", "@ @", "@ @", ""},
		{"SELECT who FROM s", "@ @", "@ @ @", ""},
		{"SELECT who FROM s FORCE INDEX (who) WHERE who >= 0", "@ @", "@ @ @", ""},
		{"SELECT COUNT(*), COUNT(DISTINCT who) FROM t", "2|1", "2|1", "0|0"},
	}
	for i, u := range users {
		for _, q := range queries {
			want := q.others
			switch {
			case i%5 == 4:
				want = q.remove
			case i%3 == 2:
				want = q.changed
			}
			want = strings.ReplaceAll(want, "@", fmt.Sprint(i))
			got, err := observe(kalam.WithUser(ctx, u), db, q.sql)
			if err != nil {
				return fmt.Errorf("user %d, %.20q: %s: %w", i, u, q.sql, err)
			}
			if got := plain(got); got != want {
				return fmt.Errorf("user %d, %.20q: %s gives %q, not %q", i, u, q.sql, got, want)
			}
		}
	}
	return nil
}

// plain returns what observe says of rows as values|values, with spaces between rows.
func plain(text string) string {
	var rows []string
	for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if i > 0 {
			rows = append(rows, strings.ReplaceAll(strings.TrimSuffix(l, "|"), `"`, ""))
		}
	}
	return strings.Join(rows, " ")
}
