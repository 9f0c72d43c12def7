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
	t, err := types.FromColumnType(column, def)
	if err != nil {
		return t, err
	}
	own := def.Charset.Name != "" || def.Charset.Binary || def.Options != nil && def.Options.Collate != ""
	if !own && (t.IsText() || t.Members != nil) {
		t.Collation = collation
	}
	return t, nil
}

// charsetCollation returns a character set's default collation here.
func charsetCollation(charset string) (collations.ID, error) {
	if types.Charset(strings.Trim(charset, "'\"")) != "utf8mb4" {
		return 0, sqlerr.Unsupported("CHARACTER SET %s", charset)
	}
	return types.DefaultCollation, nil
}

// tableCollation returns the collation that a table or database asks for.
func tableCollation(name string) (collations.ID, error) {
	id, err := types.LookupCollation(strings.Trim(name, "'\""))
	if err == nil && id == collations.CollationBinaryID {
		err = sqlerr.Unsupported("COLLATE %s of a table", name)
	}
	return id, err
}
