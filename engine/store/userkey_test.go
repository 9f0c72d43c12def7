package store

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

// FuzzUserKeys looks for two users whose keys meet: whose ranges overlap, whose
// order is not that of their ids' bytes, or who are read as other ones.
func FuzzUserKeys(f *testing.F) {
	for _, p := range [][3]string{
		{"", "a", ""}, {"", "\x00", "\x01"}, {"a", "a\x00", "\xff"}, {"a", "a\x00\x01", "\x00"}, {"a\x00", "a\x00\xff", "x"}, {"\xff", "\xff\xff", "\xff"},
		{"a", "a\x00\xff\x00\x01", "\x00\x01"}, {"ab", "a", "b"}, {strings.Repeat("x", 1000), strings.Repeat("x", 1001), "x"},
	} {
		f.Add(p[0], p[1], p[2])
	}
	db, err := New(mem.Open(), Config{})
	if err != nil {
		f.Fatal(err)
	}
	people := people(schema.User)
	f.Fuzz(func(t *testing.T, a, b, rest string) {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		ra, rb := tx.relation(people, a), tx.relation(people, b)
		for d := range 1 + len(ra.l.secondary) {
			pa, pb := ra.prefix(ra.l.def(d)), rb.prefix(rb.l.def(d))
			// Whatever follows in a user's keys, they are before the end of his range.
			key := append(bytes.Clone(pa), rest...)
			if end := edge(pa, true); bytes.Compare(key, end) >= 0 || bytes.Compare(pa, key) > 0 {
				t.Fatalf("%x is outside of %x to %x", key, pa, end)
			}
			switch {
			case a == b:
				if !bytes.Equal(pa, pb) {
					t.Fatalf("two prefixes of %q", a)
				}
			case a < b:
				if bytes.Compare(edge(pa, true), pb) > 0 {
					t.Fatalf("keys of %q reach into those of %q", a, b)
				}
			default:
				if bytes.Compare(edge(pb, true), pa) > 0 {
					t.Fatalf("keys of %q reach into those of %q", b, a)
				}
			}
			user, after, err := keyenc.CutBytes(nil, key[prefixLen(nil):])
			if err != nil || string(user) != a || string(after) != rest {
				t.Fatalf("%q is read as %q, followed by %q: %v", a, user, after, err)
			}
		}
		c := people.Columns[ra.l.counted[0]].ID
		if a != b {
			// Sequences have the user in their keys, too.
			sa, sb := sequencePrefix(people.ID, c, ra.user), sequencePrefix(people.ID, c, rb.user)
			if bytes.HasPrefix(sa, sb) || bytes.HasPrefix(sb, sa) {
				t.Fatalf("sequences of %q and %q meet", a, b)
			}
		}
		// What is no key of a user is an error, no panic.
		if user, after, err := keyenc.CutBytes(nil, []byte(rest)); err == nil && !bytes.Equal(append(keyenc.AppendBytes(nil, user), after...), []byte(rest)) {
			t.Fatalf("%q is read as %q and %q", rest, user, after)
		}
	})
}
