package sqlerr

// The kinds of errors about constraints, by MySQL's number.
var (
	TriggerInUse        = kind("trigger_table_in_use", 1442, "HY000")        // a trigger writes a table that the statement uses already.
	TriggerExists       = kind("trigger_exists", 1359, "HY000")              // CREATE TRIGGER names one that exists.
	NoSuchTrigger       = kind("no_such_trigger", 1360, "HY000")             // DROP TRIGGER names one that does not exist.
	ReferencedTrigger   = kind("no_such_trigger_in_order", 3011, "HY000")    // FOLLOWS or PRECEDES names a trigger that is not there.
	TriggerCantChange   = kind("trigger_cannot_change_row", 1362, "HY000")   // a trigger assigns to OLD, or to NEW after the change.
	TriggerNoSuchRow    = kind("trigger_no_such_row", 1363, "HY000")         // a trigger names OLD of an INSERT or NEW of a DELETE.
	TriggerWrongSchema  = kind("trigger_in_wrong_schema", 1435, "HY000")     // a trigger and its table are in different namespaces.
	NoResultSet         = kind("result_set_in_trigger", 1415, "0A000")       // a trigger has a SELECT without INTO.
	CaseNotFound        = kind("case_not_found", 1339, "20000")              // no arm of a CASE statement fits.
	Signalled           = kind("signal", 1644, "45000")                      // a trigger signals an error; its number and SQLSTATE may be others.
	DupVariable         = kind("duplicate_variable", 1331, "42000")          // a trigger declares a variable twice.
	CannotAddForeign    = kind("cannot_add_foreign_key", 1215, "HY000")      // a foreign key cannot be had as it is defined.
	WrongForeignKey     = kind("wrong_foreign_key", 1239, "42000")           // a foreign key and what it references have different numbers of columns.
	RowIsReferenced     = kind("row_is_referenced", 1451, "23000")           // a row that others reference would go or change.
	NoReferencedRow     = kind("no_referenced_row", 1452, "23000")           // a row would reference one that is not there.
	DropIndexForeign    = kind("index_needed_by_foreign_key", 1553, "HY000") // DROP INDEX names one that a foreign key needs.
	TruncateReferenced  = kind("truncate_referenced", 1701, "42000")         // TRUNCATE names a table that others reference.
	ForeignNoIndex      = kind("foreign_key_no_index", 1822, "HY000")        // a foreign key references columns that lead no index.
	ForeignNoTable      = kind("foreign_key_no_table", 1824, "HY000")        // a foreign key references a table that is not there.
	ForeignDupName      = kind("duplicate_foreign_key", 1826, "HY000")       // the namespace has a foreign key of that name.
	ForeignDropColumn   = kind("column_of_foreign_key", 1828, "HY000")       // a column that a foreign key needs would be dropped.
	ForeignDropParent   = kind("column_referenced", 1829, "HY000")           // a column that a foreign key references would be dropped.
	ForeignNotNull      = kind("foreign_key_not_null", 1830, "HY000")        // SET NULL is to act on a NOT NULL column.
	ForeignChangeColumn = kind("change_of_foreign_key", 1832, "HY000")       // a column of a foreign key would get a type that does not fit.
	ForeignChangeParent = kind("change_of_referenced", 1833, "HY000")        // a column that a foreign key references would get a type that does not fit.
	ForeignDepth        = kind("cascades_too_deep", 3008, "HY000")           // foreign keys' actions lead on more than 15 times.
	DropReferenced      = kind("drop_referenced", 3730, "HY000")             // DROP TABLE names a table that others reference.
	ForeignNoColumn     = kind("foreign_key_no_column", 3734, "HY000")       // a foreign key references a column that is not there.
	ForeignIncompatible = kind("foreign_key_incompatible", 3780, "HY000")    // a foreign key's columns have types that do not fit.
	CheckForeignAction  = kind("check_of_foreign_key_action", 3823, "HY000") // a CHECK refers to a column that a foreign key's action changes.
	ColumnInCheck       = kind("column_in_check", 3959, "HY000")             // a column that a CHECK refers to would be dropped or renamed.
	CheckNotBoolean     = kind("check_not_boolean", 3812, "HY000")           // a CHECK is no condition.
	CheckFunction       = kind("check_function_named", 3814, "HY000")        // a CHECK calls a function whose value is not the row's alone.
	CheckSubquery       = kind("check_function", 3815, "HY000")              // a CHECK has a subquery, an aggregate or a window function.
	CheckVariable       = kind("check_variable", 3816, "HY000")              // a CHECK refers to a variable or parameter.
	CheckRow            = kind("check_row_value", 3817, "HY000")             // a CHECK is a row of values.
	CheckAutoIncrement  = kind("check_auto_increment", 3818, "HY000")        // a CHECK refers to the AUTO_INCREMENT column.
	CheckViolated       = kind("check_violated", 3819, "HY000")              // a row does not satisfy a CHECK.
	CheckUnknownColumn  = kind("check_unknown_column", 3820, "HY000")        // a CHECK refers to a column that is not there.
	CheckNotFound       = kind("check_not_found", 3821, "HY000")             // ALTER TABLE names a CHECK that is not there.
	CheckDupName        = kind("duplicate_check_name", 3822, "HY000")        // the namespace has a CHECK of that name.
	ConstraintNotFound  = kind("constraint_not_found", 3940, "HY000")        // DROP CONSTRAINT names one that is not there.
	ConstraintAmbiguous = kind("constraint_ambiguous", 3939, "HY000")        // DROP CONSTRAINT names several.
)
