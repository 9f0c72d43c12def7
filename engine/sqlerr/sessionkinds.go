package sqlerr

// The kinds of views, variables and prepared statements, by MySQL's number. Each
// comment completes "is returned when …".
var (
	NoSuchThread           = kind("no_such_session", 1094, "HY000")          // KILL names a session that is not there.
	TooManyRows            = kind("too_many_rows", 1172, "42000")            // SELECT ... INTO has more than one row.
	UnsafeUpdate           = kind("unsafe_update", 1175, "HY000")            // sql_safe_updates forbids a change of rows that no key finds.
	NotUpdatable           = kind("view_not_updatable", 1288, "HY000")       // a view that cannot be written is the target of a statement.
	NotPreparable          = kind("not_preparable", 1295, "HY000")           // PREPARE is given a statement that cannot be prepared.
	UndeclaredVariable     = kind("undeclared_variable", 1327, "42000")      // a trigger names a variable that it does not declare, or INTO one of a stored routine.
	StackedNoHandler       = kind("stacked_without_handler", 1887, "0Z002")  // GET STACKED DIAGNOSTICS outside of a handler.
	InvalidConditionNumber = kind("invalid_condition_number", 1758, "35000") // of GET DIAGNOSTICS.
	NoData                 = kind("no_data", 1329, "02000")                  // SELECT ... INTO has no row.
	WrongObject            = kind("wrong_object", 1347, "HY000")             // a statement for tables names a view, or one for views a table.
	ColumnNotUpdatable     = kind("column_not_updatable", 1348, "HY000")     // a statement would set a computed column of a view.
	ViewHasInto            = kind("view_has_into", 1350, "HY000")            // a view's query has INTO.
	ViewHasVariable        = kind("view_has_variable", 1351, "HY000")        // a view's query has a variable or parameter.
	ViewCannotMerge        = kind("view_cannot_merge", 1354, "HY000")        // ALGORITHM=MERGE is given for a view that has groups or a limit.
	ViewInvalid            = kind("view_invalid", 1356, "HY000")             // a view's query no longer means anything.
	NoCheckOption          = kind("view_without_check", 1368, "HY000")       // WITH CHECK OPTION is given for a view that cannot be written.
	ViewCheckFailed        = kind("view_check_failed", 1369, "HY000")        // WITH CHECK OPTION refuses a row.
	DeleteFromJoinView     = kind("delete_from_join_view", 1395, "HY000")    // DELETE names a view of several tables.
	NoViewFieldDefault     = kind("view_column_no_default", 1423, "HY000")   // an INSERT through a view gives no value to a column without default.
	ViewRecursive          = kind("view_recursive", 1462, "HY000")           // a view would be defined by itself.
	NotInsertable          = kind("view_not_insertable", 1471, "HY000")      // INSERT names a view with columns that no table's row has.
)
