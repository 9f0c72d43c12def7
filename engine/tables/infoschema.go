package tables

import (
	"context"
	"strings"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// InformationSchema is the namespace that describes all others in MySQL's way.
const InformationSchema = "information_schema"

// informationIDs is the first table id of InformationSchema.
const informationIDs = 100

// Wanted tells which rows a scan of a table of InformationSchema asks for, by
// the first columns of its key: a namespace, and a table's name.
type Wanted func(key ...string) bool

// Information makes the rows of a table of InformationSchema, all but the hidden
// row number, in the order of the key.
type Information func(ctx context.Context, wanted Wanted, add func(...types.Value)) error

// OpenInformation returns a table of InformationSchema for reading.
func OpenInformation(t *schema.Table, read Information) store.Table {
	return &recordStore{schema: t, read: func(ctx context.Context, _ *store.ScanRequest, r *store.KeyRange, add func([]types.Value)) error {
		n := uint64(0)
		numbered := func(row ...types.Value) {
			n++
			add(append(row, types.NewUint(n)))
		}
		return read(ctx, func(key ...string) bool { return r == nil || wanted(t, *r, key) }, numbered)
	}}
}

// wanted reports whether a row whose key begins so may be in a range.
func wanted(t *schema.Table, r store.KeyRange, key []string) bool {
	row := make([]types.Value, len(t.Columns))
	for i, k := range key {
		row[t.PrimaryKey[i]] = types.NewString(k)
	}
	if len(r.Low) > len(key) {
		r.Low, r.LowExclusive = r.Low[:len(key)], false
	}
	if len(r.High) > len(key) {
		r.High, r.HighExclusive = r.High[:len(key)], false
	}
	columns, _ := t.Key(nil)
	return inRange(t, columns, row, &r)
}

// information has the tables of InformationSchema: for each the columns of its
// key, and all its columns with types: s a name, t a text, n a number, b a big
// one, d a time, ? if they may be NULL.
var information = []struct{ name, key, columns string }{
	{"SCHEMATA", "SCHEMA_NAME", `CATALOG_NAME s, SCHEMA_NAME s, DEFAULT_CHARACTER_SET_NAME s, DEFAULT_COLLATION_NAME s, SQL_PATH t?,
		DEFAULT_ENCRYPTION s`},
	{"TABLES", "TABLE_SCHEMA TABLE_NAME", `TABLE_CATALOG s, TABLE_SCHEMA s, TABLE_NAME s, TABLE_TYPE s, ENGINE s?, VERSION n?, ROW_FORMAT s?,
		TABLE_ROWS b?, AVG_ROW_LENGTH b?, DATA_LENGTH b?, MAX_DATA_LENGTH b?, INDEX_LENGTH b?, DATA_FREE b?, AUTO_INCREMENT b?,
		CREATE_TIME d?, UPDATE_TIME d?, CHECK_TIME d?, TABLE_COLLATION s?, CHECKSUM b?, CREATE_OPTIONS s?, TABLE_COMMENT t?`},
	{"COLUMNS", "TABLE_SCHEMA TABLE_NAME", `TABLE_CATALOG s, TABLE_SCHEMA s, TABLE_NAME s, COLUMN_NAME s, ORDINAL_POSITION n, COLUMN_DEFAULT t?,
		IS_NULLABLE s, DATA_TYPE t, CHARACTER_MAXIMUM_LENGTH b?, CHARACTER_OCTET_LENGTH b?, NUMERIC_PRECISION b?, NUMERIC_SCALE b?,
		DATETIME_PRECISION n?, CHARACTER_SET_NAME s?, COLLATION_NAME s?, COLUMN_TYPE t, COLUMN_KEY s, EXTRA s?, PRIVILEGES s?,
		COLUMN_COMMENT t, GENERATION_EXPRESSION t, SRS_ID n?`},
	{"STATISTICS", "TABLE_SCHEMA TABLE_NAME", `TABLE_CATALOG s, TABLE_SCHEMA s, TABLE_NAME s, NON_UNIQUE n, INDEX_SCHEMA s, INDEX_NAME s,
		SEQ_IN_INDEX n, COLUMN_NAME s?, COLLATION s?, CARDINALITY b?, SUB_PART b?, PACKED s?, NULLABLE s, INDEX_TYPE s, COMMENT s,
		INDEX_COMMENT t, IS_VISIBLE s, EXPRESSION t?`},
	{"TABLE_CONSTRAINTS", "TABLE_SCHEMA TABLE_NAME", `CONSTRAINT_CATALOG s, CONSTRAINT_SCHEMA s, CONSTRAINT_NAME s, TABLE_SCHEMA s, TABLE_NAME s,
		CONSTRAINT_TYPE s, ENFORCED s`},
	{"KEY_COLUMN_USAGE", "TABLE_SCHEMA TABLE_NAME", `CONSTRAINT_CATALOG s, CONSTRAINT_SCHEMA s, CONSTRAINT_NAME s, TABLE_CATALOG s,
		TABLE_SCHEMA s, TABLE_NAME s, COLUMN_NAME s?, ORDINAL_POSITION n, POSITION_IN_UNIQUE_CONSTRAINT n?, REFERENCED_TABLE_SCHEMA s?,
		REFERENCED_TABLE_NAME s?, REFERENCED_COLUMN_NAME s?`},
	{"REFERENTIAL_CONSTRAINTS", "CONSTRAINT_SCHEMA TABLE_NAME", `CONSTRAINT_CATALOG s, CONSTRAINT_SCHEMA s, CONSTRAINT_NAME s,
		UNIQUE_CONSTRAINT_CATALOG s, UNIQUE_CONSTRAINT_SCHEMA s, UNIQUE_CONSTRAINT_NAME s?, MATCH_OPTION s, UPDATE_RULE s, DELETE_RULE s,
		TABLE_NAME s, REFERENCED_TABLE_NAME s`},
	{"CHECK_CONSTRAINTS", "CONSTRAINT_SCHEMA", `CONSTRAINT_CATALOG s, CONSTRAINT_SCHEMA s, CONSTRAINT_NAME s, CHECK_CLAUSE t`},
	{"VIEWS", "TABLE_SCHEMA TABLE_NAME", `TABLE_CATALOG s, TABLE_SCHEMA s, TABLE_NAME s, VIEW_DEFINITION t?, CHECK_OPTION s, IS_UPDATABLE s,
		DEFINER s, SECURITY_TYPE s, CHARACTER_SET_CLIENT s, COLLATION_CONNECTION s`},
	{"TRIGGERS", "TRIGGER_SCHEMA", `TRIGGER_CATALOG s, TRIGGER_SCHEMA s, TRIGGER_NAME s, EVENT_MANIPULATION s, EVENT_OBJECT_CATALOG s,
		EVENT_OBJECT_SCHEMA s, EVENT_OBJECT_TABLE s, ACTION_ORDER n, ACTION_CONDITION t?, ACTION_STATEMENT t, ACTION_ORIENTATION s,
		ACTION_TIMING s, ACTION_REFERENCE_OLD_TABLE s?, ACTION_REFERENCE_NEW_TABLE s?, ACTION_REFERENCE_OLD_ROW s,
		ACTION_REFERENCE_NEW_ROW s, CREATED d?, SQL_MODE s, DEFINER s, CHARACTER_SET_CLIENT s, COLLATION_CONNECTION s, DATABASE_COLLATION s`},
	{"ENGINES", "ENGINE", "ENGINE s, SUPPORT s, COMMENT s, TRANSACTIONS s?, XA s?, SAVEPOINTS s?"},
	{"CHARACTER_SETS", "CHARACTER_SET_NAME", "CHARACTER_SET_NAME s, DEFAULT_COLLATE_NAME s, DESCRIPTION s, MAXLEN n"},
	{"COLLATIONS", "COLLATION_NAME", "COLLATION_NAME s, CHARACTER_SET_NAME s, ID b, IS_DEFAULT s, IS_COMPILED s, SORTLEN n, PAD_ATTRIBUTE s"},
	{"ROUTINES", "ROUTINE_SCHEMA", `SPECIFIC_NAME s, ROUTINE_CATALOG s, ROUTINE_SCHEMA s, ROUTINE_NAME s, ROUTINE_TYPE s, DATA_TYPE t?,
		CHARACTER_MAXIMUM_LENGTH b?, CHARACTER_OCTET_LENGTH b?, NUMERIC_PRECISION n?, NUMERIC_SCALE n?, DATETIME_PRECISION n?,
		CHARACTER_SET_NAME s?, COLLATION_NAME s?, DTD_IDENTIFIER t?, ROUTINE_BODY s, ROUTINE_DEFINITION t?, EXTERNAL_NAME s?,
		EXTERNAL_LANGUAGE s, PARAMETER_STYLE s, IS_DETERMINISTIC s, SQL_DATA_ACCESS s, SQL_PATH s?, SECURITY_TYPE s, CREATED d,
		LAST_ALTERED d, SQL_MODE s, ROUTINE_COMMENT t, DEFINER s, CHARACTER_SET_CLIENT s, COLLATION_CONNECTION s, DATABASE_COLLATION s`},
	{"PARAMETERS", "SPECIFIC_SCHEMA", `SPECIFIC_CATALOG s, SPECIFIC_SCHEMA s, SPECIFIC_NAME s, ORDINAL_POSITION b, PARAMETER_MODE s?,
		PARAMETER_NAME s?, DATA_TYPE t, CHARACTER_MAXIMUM_LENGTH b?, CHARACTER_OCTET_LENGTH b?, NUMERIC_PRECISION n?, NUMERIC_SCALE b?,
		DATETIME_PRECISION n?, CHARACTER_SET_NAME s?, COLLATION_NAME s?, DTD_IDENTIFIER t, ROUTINE_TYPE s`},
	{"EVENTS", "EVENT_SCHEMA", `EVENT_CATALOG s, EVENT_SCHEMA s, EVENT_NAME s, DEFINER s, TIME_ZONE s, EVENT_BODY s, EVENT_DEFINITION t,
		EVENT_TYPE s, EXECUTE_AT d?, INTERVAL_VALUE s?, INTERVAL_FIELD s?, SQL_MODE s, STARTS d?, ENDS d?, STATUS s, ON_COMPLETION s,
		CREATED d, LAST_ALTERED d, LAST_EXECUTED d?, EVENT_COMMENT t, ORIGINATOR n, CHARACTER_SET_CLIENT s, COLLATION_CONNECTION s,
		DATABASE_COLLATION s`},
	{"PROCESSLIST", "", "ID b, USER s, HOST s, DB s?, COMMAND s, TIME n, STATE s?, INFO t?"},
	{"PARTITIONS", "TABLE_SCHEMA TABLE_NAME", `TABLE_CATALOG s, TABLE_SCHEMA s, TABLE_NAME s, PARTITION_NAME s?, SUBPARTITION_NAME s?,
		PARTITION_ORDINAL_POSITION n?, PARTITION_METHOD s?, PARTITION_EXPRESSION t?, PARTITION_DESCRIPTION t?, TABLE_ROWS b?`},
	{"COLLATION_CHARACTER_SET_APPLICABILITY", "COLLATION_NAME", "COLLATION_NAME s, CHARACTER_SET_NAME s"},
	{"PLUGINS", "PLUGIN_NAME", `PLUGIN_NAME s, PLUGIN_VERSION s, PLUGIN_STATUS s, PLUGIN_TYPE s, PLUGIN_TYPE_VERSION s, PLUGIN_LIBRARY s?,
		PLUGIN_LIBRARY_VERSION s?, PLUGIN_AUTHOR s?, PLUGIN_DESCRIPTION t?, PLUGIN_LICENSE s?, LOAD_OPTION s`},
}

// informationTables are the definitions of the tables of InformationSchema.
var informationTables = func() []*schema.Table {
	kinds := map[string]types.Type{"s": nameType, "t": textType, "n": idType, "b": longIDType,
		"d": {Kind: types.DateTime, Size: -1, Collation: timeType.Collation}}
	var list []*schema.Table
	for i, def := range information {
		var columns []schema.Column
		for _, c := range strings.Split(def.columns, ",") {
			name, kind, _ := strings.Cut(strings.TrimSpace(c), " ")
			t, null := strings.CutSuffix(kind, "?")
			columns = append(columns, schema.Column{Name: name, Type: kinds[t], NotNull: !null})
		}
		columns = append(columns, schema.Column{Name: schema.RowIDColumn, Type: longIDType, NotNull: true, Hidden: true})
		t := define(uint32(informationIDs+i), def.name, 0, columns...)
		t.Namespace = InformationSchema
		for _, k := range strings.Fields(def.key) {
			t.PrimaryKey = append(t.PrimaryKey, t.Column(k))
		}
		t.PrimaryKey = append(t.PrimaryKey, len(columns)-1)
		list = append(list, t)
	}
	return list
}()

// IsSystem reports whether a namespace is one of tables that cannot be written.
func IsSystem(namespace string) bool {
	return namespace == SystemNamespace || strings.EqualFold(namespace, InformationSchema)
}
