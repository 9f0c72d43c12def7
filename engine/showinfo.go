package engine

import (
	"context"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// listed is a kind of SHOW that lists a table of information_schema: pairs of
// its own name of a column and the table's.
type listed struct {
	table   string
	columns [][2]string
}

var listings = map[sqlparser.ShowCommandType]listed{
	sqlparser.Engines: {"ENGINES", [][2]string{
		{"Engine", "ENGINE"}, {"Support", "SUPPORT"}, {"Comment", "COMMENT"}, {"Transactions", "TRANSACTIONS"}, {"XA", "XA"}, {"Savepoints", "SAVEPOINTS"},
	}},
	sqlparser.Charset: {"CHARACTER_SETS", [][2]string{
		{"Charset", "CHARACTER_SET_NAME"}, {"Description", "DESCRIPTION"}, {"Default collation", "DEFAULT_COLLATE_NAME"}, {"Maxlen", "MAXLEN"},
	}},
	sqlparser.Collation: {"COLLATIONS", [][2]string{
		{"Collation", "COLLATION_NAME"}, {"Charset", "CHARACTER_SET_NAME"}, {"Id", "ID"}, {"Default", "IS_DEFAULT"}, {"Compiled", "IS_COMPILED"},
		{"Sortlen", "SORTLEN"}, {"Pad_attribute", "PAD_ATTRIBUTE"},
	}},
	sqlparser.ProcessList: {"PROCESSLIST", [][2]string{
		{"Id", "ID"}, {"User", "USER"}, {"Host", "HOST"}, {"db", "DB"}, {"Command", "COMMAND"}, {"Time", "TIME"}, {"State", "STATE"}, {"Info", "INFO"},
	}},
	sqlparser.TableStatus: {"TABLES", [][2]string{
		{"Name", "TABLE_NAME"}, {"Engine", "ENGINE"}, {"Version", "VERSION"}, {"Row_format", "ROW_FORMAT"}, {"Rows", "TABLE_ROWS"},
		{"Avg_row_length", "AVG_ROW_LENGTH"}, {"Data_length", "DATA_LENGTH"}, {"Max_data_length", "MAX_DATA_LENGTH"},
		{"Index_length", "INDEX_LENGTH"}, {"Data_free", "DATA_FREE"}, {"Auto_increment", "AUTO_INCREMENT"}, {"Create_time", "CREATE_TIME"},
		{"Update_time", "UPDATE_TIME"}, {"Check_time", "CHECK_TIME"}, {"Collation", "TABLE_COLLATION"}, {"Checksum", "CHECKSUM"},
		{"Create_options", "CREATE_OPTIONS"}, {"Comment", "TABLE_COMMENT"},
	}},
	sqlparser.Procedure: routines,
	sqlparser.Function:  routines,
	sqlparser.Events: {"EVENTS", [][2]string{
		{"Db", "EVENT_SCHEMA"}, {"Name", "EVENT_NAME"}, {"Definer", "DEFINER"}, {"Time zone", "TIME_ZONE"}, {"Type", "EVENT_TYPE"},
		{"Execute at", "EXECUTE_AT"}, {"Interval value", "INTERVAL_VALUE"}, {"Interval field", "INTERVAL_FIELD"}, {"Starts", "STARTS"},
		{"Ends", "ENDS"}, {"Status", "STATUS"}, {"Originator", "ORIGINATOR"}, {"character_set_client", "CHARACTER_SET_CLIENT"},
		{"collation_connection", "COLLATION_CONNECTION"}, {"Database Collation", "DATABASE_COLLATION"},
	}},
	sqlparser.Plugins: {"PLUGINS", [][2]string{
		{"Name", "PLUGIN_NAME"}, {"Status", "PLUGIN_STATUS"}, {"Type", "PLUGIN_TYPE"}, {"Library", "PLUGIN_LIBRARY"}, {"License", "PLUGIN_LICENSE"},
	}},
}

// routines are what SHOW PROCEDURE STATUS and SHOW FUNCTION STATUS list: there are none.
var routines = listed{"ROUTINES", [][2]string{
	{"Db", "ROUTINE_SCHEMA"}, {"Name", "ROUTINE_NAME"}, {"Type", "ROUTINE_TYPE"}, {"Definer", "DEFINER"}, {"Modified", "LAST_ALTERED"},
	{"Created", "CREATED"}, {"Security_type", "SECURITY_TYPE"}, {"Comment", "ROUTINE_COMMENT"}, {"character_set_client", "CHARACTER_SET_CLIENT"},
	{"collation_connection", "COLLATION_CONNECTION"}, {"Database Collation", "DATABASE_COLLATION"},
}}

// list returns the rows of l that are wanted.
func (s *Session) list(ctx context.Context, l listed, wanted tables.Wanted) ([]plan.ResultColumn, [][]types.Value, error) {
	t, err := s.engine.catalog.Table(ctx, tables.InformationSchema, l.table)
	if err != nil {
		return nil, nil, err
	}
	columns, from := make([]plan.ResultColumn, len(l.columns)), make([]int, len(l.columns))
	for i, c := range l.columns {
		from[i] = t.Column(c[1])
		columns[i] = plan.ResultColumn{Name: c[0], Type: t.Columns[from[i]].Type, Nullable: true}
	}
	var rows [][]types.Value
	err = s.information(l.table)(ctx, wanted, func(values ...types.Value) {
		row := make([]types.Value, len(from))
		for i, c := range from {
			row[i] = values[c]
		}
		rows = append(rows, row)
	})
	return columns, rows, err
}

// showListed runs the SHOWs of listings.
func (s *Session) showListed(ctx context.Context, b *sqlparser.ShowBasic) ([]plan.ResultColumn, [][]types.Value, error) {
	wanted := func(...string) bool { return true }
	if b.Command == sqlparser.TableStatus {
		namespace, err := s.namespaceOr(b.DbName.String())
		if err == nil {
			err = s.engine.catalog.CheckNamespace(ctx, namespace)
		}
		if err != nil {
			return nil, nil, err
		}
		wanted = func(key ...string) bool { return key[0] == namespace }
	}
	columns, rows, err := s.list(ctx, listings[b.Command], wanted)
	if b.Command == sqlparser.ProcessList && !b.Full {
		const shown = 100 // characters of a statement, as in MySQL
		info := len(columns) - 1
		for _, r := range rows {
			if !r[info].IsNull() {
				text := []rune(string(r[info].Bytes()))
				r[info] = types.NewString(string(text[:min(len(text), shown)]))
			}
		}
	}
	return columns, rows, err
}
