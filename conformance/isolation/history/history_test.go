package history

import (
	"slices"
	"testing"
	"time"
)

func app(key, element int) Op       { return Op{Key: key, Append: element} }
func read(key int, list ...int) Op  { return Op{Key: key, List: list} }
func txn(id int, ops ...Op) Txn     { return Txn{ID: id, Ops: ops, Committed: true} }
func aborted(id int, ops ...Op) Txn { return Txn{ID: id, Ops: ops} }
func at(t Txn, begin, end int) Txn {
	t.Begin, t.End = time.Duration(begin), time.Duration(end)
	return t
}

// The checker has to find what is wrong in made-up histories, and nothing in good ones.
func TestPlantedAnomalies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		txns  []Txn
		final map[int][]int
		want  []Anomaly
	}{
		"good": {txns: []Txn{
			txn(1, app(1, 10)), txn(2, read(1, 10), app(1, 11), read(1, 10, 11)),
			txn(3, read(1, 10, 11), app(2, 20)), aborted(4, app(1, 12)), txn(5, read(3), read(2, 20)),
		}, final: map[int][]int{1: {10, 11}, 2: {20}}},
		"garbage":              {txns: []Txn{txn(1, read(1, 7))}, want: []Anomaly{Garbage}},
		"an element twice":     {txns: []Txn{txn(1, app(1, 7)), txn(2, read(1, 7, 7))}, want: []Anomaly{Garbage}},
		"own append unseen":    {txns: []Txn{txn(1, app(1, 7), read(1))}, want: []Anomaly{Internal}},
		"incompatible orders":  {txns: []Txn{txn(1, app(1, 7)), txn(2, app(1, 8)), txn(3, read(1, 7, 8)), txn(4, read(1, 8))}, want: []Anomaly{Orders}},
		"lost append":          {txns: []Txn{txn(1, app(1, 7)), txn(2, app(1, 8))}, final: map[int][]int{1: {8}}, want: []Anomaly{Lost}},
		"aborted read":         {txns: []Txn{aborted(1, app(1, 7)), txn(2, read(1, 7))}, want: []Anomaly{G1a}},
		"aborted append stays": {txns: []Txn{aborted(1, app(1, 7))}, final: map[int][]int{1: {7}}, want: []Anomaly{G1a}},
		"intermediate read":    {txns: []Txn{txn(1, app(1, 7), app(1, 8)), txn(2, read(1, 7)), txn(3, read(1, 7, 8))}, want: []Anomaly{G1b}},
		"write cycle": {txns: []Txn{txn(1, app(1, 10), app(2, 20)), txn(2, app(1, 11), app(2, 21)), txn(3, read(1, 10, 11)), txn(4, read(2, 21, 20))},
			want: []Anomaly{G0}},
		"circular information flow": {txns: []Txn{txn(1, app(1, 10), read(2, 20)), txn(2, app(2, 20), read(1, 10))}, want: []Anomaly{G1c}},
		"read skew":                 {txns: []Txn{txn(1, app(1, 10), app(2, 20)), txn(2, read(1), read(2, 20)), txn(3, read(1, 10))}, want: []Anomaly{GSingle}},
		"lost update":               {txns: []Txn{txn(1, read(1), app(1, 10)), txn(2, read(1), app(1, 11)), txn(3, read(1, 10, 11))}, want: []Anomaly{GSingle}},
		"write skew": {txns: []Txn{txn(1, read(1), read(2), app(1, 10)), txn(2, read(1), read(2), app(2, 20)),
			txn(3, read(1, 10), read(2, 20))}, want: []Anomaly{G2}},
		// Two readers see two writes in different orders.
		"long fork": {txns: []Txn{txn(1, app(1, 10)), txn(2, app(2, 20)), txn(3, read(1, 10), read(2)), txn(4, read(1), read(2, 20)),
			txn(5, read(1, 10), read(2, 20))}, want: []Anomaly{GNonAdj}},
		"stale read": {txns: []Txn{at(txn(1, app(1, 10)), 0, 10), at(txn(2, read(1)), 20, 30), at(txn(3, read(1, 10)), 40, 50)},
			want: []Anomaly{RealTime}},
		"stale append": {txns: []Txn{at(txn(1, app(1, 10)), 20, 30), at(txn(2, app(1, 11)), 0, 10), at(txn(3, read(1, 10, 11)), 40, 50)},
			want: []Anomaly{RealTime}},
		"concurrent reads may differ": {txns: []Txn{at(txn(1, app(1, 10)), 0, 30), at(txn(2, read(1, 10)), 5, 20), at(txn(3, read(1)), 10, 20)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []Anomaly
			for _, f := range Check(test.txns, test.final) {
				got = append(got, f.Anomaly)
			}
			for _, a := range test.want {
				if !slices.Contains(got, a) {
					t.Errorf("%s was not found, but %v", a, got)
				}
			}
			if len(test.want) == 0 && len(got) > 0 {
				t.Errorf("found %v", Check(test.txns, test.final))
			}
		})
	}
}

// What a level permits is not taken for what a stronger one forbids.
func TestLevels(t *testing.T) {
	t.Parallel()
	kinds := func(txns ...Txn) (list []Anomaly) {
		for _, f := range Check(txns, nil) {
			list = append(list, f.Anomaly)
		}
		return list
	}
	skew := kinds(txn(1, read(1), read(2), app(1, 10)), txn(2, read(1), read(2), app(2, 20)), txn(3, read(1, 10), read(2, 20)))
	for _, a := range skew {
		if Snapshot.Forbids(a) || !Serializable.Forbids(a) {
			t.Errorf("write skew is taken for %s", a)
		}
	}
	lost := kinds(txn(1, read(1), app(1, 10)), txn(2, read(1), app(1, 11)), txn(3, read(1, 10, 11)))
	for _, a := range lost {
		if ReadCommitted.Forbids(a) || !Serializable.Forbids(a) {
			t.Errorf("a lost update is taken for %s", a)
		}
	}
	if !slices.ContainsFunc(lost, Snapshot.Forbids) {
		t.Error("a snapshot would lose updates")
	}
}
