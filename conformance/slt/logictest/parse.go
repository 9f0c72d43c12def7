// Package logictest reads and runs sqllogictest files over database/sql.
//
// A file is records separated by blank lines: statements that must succeed or
// fail, and queries with the types of their columns, a way of sorting, a label,
// and the values wanted, one a line, or their count and MD5. The format is that
// of https://sqlite.org/sqllogictest; lines that begin with # are comments.
package logictest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Sort says how a query's result is ordered before it is compared.
type Sort uint8

const (
	NoSort    Sort = iota // as the query returns it
	RowSort               // by whole rows, as text
	ValueSort             // single values, as text
)

var sorts = map[string]Sort{"nosort": NoSort, "rowsort": RowSort, "valuesort": ValueSort}

// Record is a statement or a query.
type Record struct {
	Line      int // where it begins, 1-based
	SQL       string
	WantError bool // of a statement
	// Of a query:
	Types string // a letter I, R or T for each column; "" for a statement
	Sort  Sort
	Label string   // queries with the same label have the same result
	Want  []string // values row by row, unless Hash is set
	Count int      // how many values Hash is of
	Hash  string   // MD5 of the values, each with a newline after it
}

// Parse returns the records that apply to engine, up to the first halt that
// does.
func Parse(r io.Reader, engine string) ([]Record, error) {
	p := parser{in: bufio.NewScanner(r), engine: engine}
	p.in.Buffer(nil, 16<<20)
	for {
		ok, err := p.record()
		if err == nil {
			err = p.in.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
		if !ok {
			return p.records, nil
		}
	}
}

type parser struct {
	in      *bufio.Scanner
	line    int
	engine  string
	records []Record
}

// next returns the next line without trailing white space.
func (p *parser) next() (string, bool) {
	if !p.in.Scan() {
		return "", false
	}
	p.line++
	return strings.TrimRight(p.in.Text(), " \t\r"), true
}

// record reads one record and keeps it where it applies. It returns false at
// the end of the file and after a halt.
func (p *parser) record() (bool, error) {
	applies := true
	for {
		line, ok := p.next()
		if !ok {
			return false, nil
		}
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		var rec Record
		var err error
		switch words[0] {
		case "skipif", "onlyif":
			if len(words) < 2 {
				return false, fmt.Errorf("%s names no engine", words[0])
			}
			applies = applies && (words[1] == p.engine) == (words[0] == "onlyif")
			continue
		case "halt":
			return !applies, nil
		case "hash-threshold":
			// What is longer stands as a hash already.
			if len(words) < 2 {
				return false, fmt.Errorf("hash-threshold has no number")
			}
			if _, err := strconv.Atoi(words[1]); err != nil {
				return false, fmt.Errorf("hash-threshold: %w", err)
			}
			return true, nil
		case "statement":
			rec, err = p.statement(words)
		case "query":
			rec, err = p.query(words)
		default:
			return false, fmt.Errorf("unknown record %q", words[0])
		}
		if err == nil && applies {
			p.records = append(p.records, rec)
		}
		return true, err
	}
}

func (p *parser) statement(words []string) (Record, error) {
	rec := Record{Line: p.line}
	if len(words) < 2 || words[1] != "ok" && words[1] != "error" {
		return rec, fmt.Errorf("a statement is ok or error")
	}
	rec.WantError = words[1] == "error"
	var results bool
	if rec.SQL, results = p.sql(); results {
		return rec, fmt.Errorf("a statement has no results")
	}
	return rec, nil
}

func (p *parser) query(words []string) (Record, error) {
	rec := Record{Line: p.line}
	if len(words) < 2 || strings.Trim(words[1], "IRT") != "" {
		return rec, fmt.Errorf("a query needs its columns' types, of I, R and T")
	}
	rec.Types = words[1]
	if len(words) > 2 {
		sort, ok := sorts[words[2]]
		if !ok {
			return rec, fmt.Errorf("unknown sort %q", words[2])
		}
		rec.Sort = sort
	}
	if len(words) > 3 {
		rec.Label = words[3]
	}
	var results bool
	if rec.SQL, results = p.sql(); !results {
		return rec, nil
	}
	for {
		line, ok := p.next()
		if !ok || line == "" {
			break
		}
		rec.Want = append(rec.Want, line)
	}
	if len(rec.Want) == 1 {
		if n, err := fmt.Sscanf(rec.Want[0], "%d values hashing to %32s", &rec.Count, &rec.Hash); n == 2 && err == nil {
			rec.Want = nil
		}
	}
	return rec, nil
}

// sql reads a record's text, and reports whether results follow.
func (p *parser) sql() (text string, results bool) {
	var lines []string
	for {
		line, ok := p.next()
		if !ok || line == "" || line == "----" {
			return strings.Join(lines, "\n"), line == "----"
		}
		lines = append(lines, line)
	}
}
