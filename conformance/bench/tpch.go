package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kalamgo/kalam/conformance/tpch/dbgen"
	"github.com/kalamgo/kalam/conformance/tpch/suite"
)

// tpch is TPC-H's queries, and some of facts with many dimensions around them,
// over its data, packed and analyzed. SQLite and Kalam get the same indexes, of foreign
// keys; without them SQLite would take hours.
func tpch(n sizes, _ int) []workload {
	list := []workload{{
		name:  "size on disk",
		setup: func(p *peer) error { return p.loadTPCH(n.scale) },
		size:  (*peer).sizeOnDisk,
	}}
	add := func(name, text string) {
		// Checks compare with Kalam's answer, as those of the suite do.
		var want *suite.Table
		list = append(list, workload{
			name: name, ops: 1,
			setup: (*peer).tuneTPCH,
			run: func(p *peer, _, _ int) error {
				rows, err := p.table(p.translate(text))
				p.answered = rows
				return err
			},
			check: func(p *peer) (string, error) {
				got := &suite.Table{Rows: p.answered}
				got.Columns = columnNames(text, got.Rows)
				if want == nil {
					want = got
				}
				return "", suite.Compare(got, want)
			},
		})
	}
	for q := range suite.Queries {
		add(fmt.Sprintf("Q%d", q+1), suite.Query(q+1))
	}
	for i, text := range stars {
		add(fmt.Sprintf("star join %d", i+1), text)
	}
	return list
}

// stars are queries in the manner of the Star Schema Benchmark.
var stars = []string{
	`SELECT EXTRACT(YEAR FROM o_orderdate) AS o_year, p_brand, SUM(l_extendedprice) AS revenue
FROM lineitem, orders, part, supplier, nation, region
WHERE l_orderkey = o_orderkey AND l_partkey = p_partkey AND l_suppkey = s_suppkey AND s_nationkey = n_nationkey
  AND n_regionkey = r_regionkey AND p_mfgr = 'Manufacturer#2' AND r_name = 'AMERICA'
GROUP BY o_year, p_brand ORDER BY o_year, p_brand`,
	`SELECT cn.n_name AS c_nation, sn.n_name AS s_nation, EXTRACT(YEAR FROM o_orderdate) AS o_year, SUM(l_extendedprice) AS revenue
FROM lineitem, orders, customer, supplier, nation AS cn, nation AS sn, region AS cr, region AS sr
WHERE l_orderkey = o_orderkey AND o_custkey = c_custkey AND l_suppkey = s_suppkey
  AND c_nationkey = cn.n_nationkey AND cn.n_regionkey = cr.r_regionkey
  AND s_nationkey = sn.n_nationkey AND sn.n_regionkey = sr.r_regionkey
  AND cr.r_name = 'ASIA' AND sr.r_name = 'ASIA' AND o_orderdate BETWEEN DATE '1992-01-01' AND DATE '1997-12-31'
GROUP BY c_nation, s_nation, o_year ORDER BY o_year, revenue DESC, c_nation, s_nation`,
	`SELECT EXTRACT(YEAR FROM o_orderdate) AS o_year, cn.n_name AS c_nation, SUM(l_extendedprice - ps_supplycost * l_quantity) AS profit
FROM lineitem, orders, customer, supplier, part, partsupp, nation AS cn, region AS cr, nation AS sn, region AS sr
WHERE l_orderkey = o_orderkey AND o_custkey = c_custkey AND l_suppkey = s_suppkey AND l_partkey = p_partkey
  AND ps_partkey = l_partkey AND ps_suppkey = l_suppkey
  AND c_nationkey = cn.n_nationkey AND cn.n_regionkey = cr.r_regionkey AND cr.r_name = 'AMERICA'
  AND s_nationkey = sn.n_nationkey AND sn.n_regionkey = sr.r_regionkey AND sr.r_name = 'AMERICA'
  AND p_mfgr IN ('Manufacturer#1', 'Manufacturer#2')
GROUP BY o_year, c_nation ORDER BY o_year, c_nation`,
}

var alias = regexp.MustCompile(`AS ((?:avg_\w+|mkt_share|promo_revenue)\b)`)

// columnNames returns the names that suite.Compare knows averages by: those of
// the query, for the columns at the end of its list where they stand.
func columnNames(text string, rows [][]string) []string {
	if len(rows) == 0 {
		return nil
	}
	names := make([]string, len(rows[0]))
	if found := alias.FindAllStringSubmatch(text, -1); len(found) == 1 {
		names[len(names)-1] = found[0][1]
	}
	return names
}

func (p *peer) loadTPCH(factor float64) error {
	dir := filepath.Join(filepath.Dir(p.path), "data")
	if err := writeTPCH(dir, factor); err != nil {
		return err
	}
	for _, statement := range strings.Split(strings.TrimSuffix(strings.TrimSpace(suite.Schema), ";"), ";") {
		if err := p.exec(statement); err != nil {
			return err
		}
	}
	for _, table := range dbgen.Tables {
		if err := p.loadFile(table, filepath.Join(dir, table+".csv")); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		if p.packs() {
			if err := p.exec("PACK TABLE " + table); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTPCH writes the tables' rows as files, if they are not there.
func writeTPCH(dir string, factor float64) (err error) {
	scale, err := dbgen.NewScale(factor)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	out := map[string]*csv.Writer{}
	for _, table := range dbgen.Tables {
		f, err := os.Create(filepath.Join(dir, table+".csv"))
		if err != nil {
			return err
		}
		defer f.Close()
		out[table] = csv.NewWriter(f)
	}
	var record []string
	err = dbgen.Rows(scale, dbgen.DuckDB, func(table string, row []any) error {
		record = record[:0]
		for _, v := range row {
			record = append(record, fmt.Sprint(v))
		}
		return out[table].Write(record)
	}, func() {})
	for _, w := range out {
		w.Flush()
		err = errors.Join(err, w.Error())
	}
	return err
}

// tuneTPCH does, once, what a database wants before it is asked.
func (p *peer) tuneTPCH() error {
	if p.tuned {
		return nil
	}
	p.tuned = true
	analyze := ""
	switch p.dialect {
	case mysql:
		analyze = "ANALYZE TABLE " + strings.Join(dbgen.Tables, ", ")
	case sqlite:
		analyze = "ANALYZE"
	default:
		return nil
	}
	return p.exec(
		"CREATE INDEX orders_customer ON orders (o_custkey)",
		"CREATE INDEX lineitem_part ON lineitem (l_partkey, l_suppkey)",
		"CREATE INDEX lineitem_supplier ON lineitem (l_suppkey)",
		"CREATE INDEX partsupp_supplier ON partsupp (ps_suppkey)",
		"CREATE INDEX customer_nation ON customer (c_nationkey)",
		"CREATE INDEX supplier_nation ON supplier (s_nationkey)",
		analyze,
	)
}

// translations make a query of the suite one that SQLite understands, and that
// means the same with its binary fractions.
var translations = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`DATE ('[0-9-]+') ([+-]) INTERVAL (\d+) (\w+)`), `date($1, '$2$3 $4')`},
	{regexp.MustCompile(`DATE ('[0-9-]+')`), `$1`},
	{regexp.MustCompile(`EXTRACT\(YEAR FROM (\w+)\)`), `CAST(strftime('%Y', $1) AS INTEGER)`},
	{regexp.MustCompile(`SUBSTRING\((\w+) FROM (\d) FOR (\d)\)`), `substr($1, $2, $3)`},
	{regexp.MustCompile(`COUNT\(o_orderkey\)`), `COUNT(o_orderkey) AS c_count`},
	{regexp.MustCompile(`AS c_orders \(c_custkey, c_count\)`), `AS c_orders`},
	{regexp.MustCompile(`0\.06 - 0\.01 AND 0\.06 \+ 0\.01`), `0.05 AND 0.07`},
}

func (p *peer) translate(text string) string {
	if p.dialect != sqlite {
		return text
	}
	for _, t := range translations {
		text = t.from.ReplaceAllString(text, t.to)
	}
	return text
}
