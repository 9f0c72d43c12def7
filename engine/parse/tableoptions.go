package parse

import (
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"
)

// numberOptions are the table options that take a number. MySQL also takes
// hexadecimal ones, and those with a fraction, which it leaves out.
var numberOptions = map[string]bool{
	"auto_increment": true, "avg_row_length": true, "checksum": true, "delay_key_write": true, "key_block_size": true,
	"max_rows": true, "min_rows": true, "pack_keys": true, "stats_auto_recalc": true, "stats_persistent": true,
	"stats_sample_pages": true, "table_checksum": true,
}

// respellOption puts options of tables and databases otherwise that the grammar
// lacks, at token t of CREATE or ALTER outside of parentheses.
func (p *piece) respellOption(sql string, t token, recent [2]token) {
	if p.open > 0 || p.verb != sqlparser.CREATE && p.verb != sqlparser.ALTER {
		return
	}
	if t.is(sql, "table_checksum") {
		p.replace(t, t, "checksum")
		return
	}
	option := recent[0]
	if option.typ == '=' {
		option = recent[1]
	}
	if t.typ == '=' || option.from < 0 || option.to > len(sql) {
		return
	}
	switch name := strings.ToLower(sql[option.from:option.to]); {
	case t.typ == sqlparser.BINARY && (name == "set" || name == "charset" || name == "collate"):
		p.replace(t, t, "'binary'")
	case name == "secondary_engine": // nothing of this table's
		p.edits = append(p.edits, edit{option.from, t.to, "pack_keys=default"})
	case !numberOptions[name]:
	case t.typ == sqlparser.HEXNUM:
		if n, err := strconv.ParseUint(t.val, 0, 64); err == nil {
			p.replace(t, t, strconv.FormatUint(n, 10))
		}
	case t.typ == sqlparser.DECIMAL || t.typ == sqlparser.FLOAT:
		if whole, _, ok := strings.Cut(t.val, "."); ok && whole != "" {
			p.replace(t, t, whole)
		}
	}
}

// typeSpellings are MySQL's names of column types that the grammar lacks.
var typeSpellings = map[string]string{
	"character": "char", "char varying": "varchar", "character varying": "varchar",
	"nchar": "char", "national char": "char", "national character": "char",
	"nvarchar": "varchar", "nchar varchar": "varchar", "nchar varying": "varchar", "national varchar": "varchar",
	"national char varying": "varchar", "national character varying": "varchar",
	"long": "mediumtext", "long varchar": "mediumtext", "long char varying": "mediumtext", "long character varying": "mediumtext",
	"long varbinary": "mediumblob",
	"fixed":          "decimal", "middleint": "mediumint",
}

// spelledType is the words of a column's type that were read.
type spelledType struct {
	words string
	first token
	edit  int // of those words in piece.edits, or -1
}

// respellType puts the name of a column's type otherwise that the grammar lacks.
func (p *piece) respellType(sql string, t token, recent [2]token) {
	if p.verb != sqlparser.CREATE && p.verb != sqlparser.ALTER || t.from < 0 || t.to > len(sql) {
		return
	}
	s, word := &p.spelledType, strings.ToLower(sql[t.from:t.to])
	switch {
	case p.namesColumn(sql, recent):
		*s = spelledType{word, t, -1}
	case s.words != "":
		s.words += " " + word
	default:
		return
	}
	begins := false
	for name := range typeSpellings {
		begins = begins || strings.HasPrefix(name, s.words)
	}
	if !begins {
		s.words = ""
		return
	}
	to, ok := typeSpellings[s.words]
	if !ok {
		return
	}
	if s.edit < 0 {
		s.edit = len(p.edits)
		p.edits = append(p.edits, edit{from: s.first.from})
	}
	p.edits[s.edit].to, p.edits[s.edit].text = t.to, to
}
