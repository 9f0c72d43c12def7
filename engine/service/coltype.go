package service

import (
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// columnType returns the type that a column's definition asks for; collation is
// the table's.
func columnType(def *sqlparser.ColumnType, column string, collation collations.ID) (types.Type, error) {
	own := def.Charset.Name != "" || def.Charset.Binary || def.Options != nil && def.Options.Collate != ""
	if !own && collation == collations.CollationBinaryID { // text becomes bytes
		binary := *def
		binary.Charset.Name = "binary"
		def = &binary
	}
	t, err := types.FromColumnType(column, def)
	if err != nil {
		return t, err
	}
	if !own && (t.IsText() || t.Members != nil) {
		t.Collation = collation
	}
	return t, nil
}

// charsetCollation returns a character set's default collation here.
func charsetCollation(charset string) (collations.ID, error) {
	switch types.Charset(strings.Trim(charset, "'\"")) {
	case "utf8mb4":
		return types.DefaultCollation, nil
	case "binary":
		return collations.CollationBinaryID, nil
	}
	return 0, sqlerr.Unsupported("CHARACTER SET %s", charset)
}

// tableCollation returns the collation that a table or database asks for.
func tableCollation(name string) (collations.ID, error) {
	return types.LookupCollation(strings.Trim(name, "'\""))
}
