package sqlerr

// The kinds, by MySQL's number. Each comment completes "is returned when …".
var (
	CantCreateDatabase    = kind("database_exists", 1007, "HY000")            // CREATE DATABASE names one that exists.
	CantDropDatabase      = kind("database_not_found", 1008, "HY000")         // DROP DATABASE names one that does not exist.
	DatabaseNotEmpty      = kind("database_not_empty", 1010, "HY000")         // DROP NAMESPACE without CASCADE names one with tables.
	SignInDenied          = kind("sign_in_denied", 1045, "28000")             // a connection's user and password are not those of a user.
	DatabaseDenied        = kind("database_denied", 1044, "42000")            // the user may not do this in a namespace.
	NonexistingGrant      = kind("no_such_grant", 1141, "42000")              // REVOKE or SHOW GRANTS names what was not granted.
	NonexistingTableGrant = kind("no_such_table_grant", 1147, "42000")        // REVOKE names what was not granted on a table.
	NoGrantUser           = kind("grant_to_nobody", 1410, "42000")            // GRANT names a user who is not recorded.
	PrivilegeNeeded       = kind("privilege_needed", 1227, "42000")           // the user's role may not run such a statement.
	CantOpen              = kind("cannot_open", 1016, "HY000")                // a database's files cannot be opened.
	DiskFull              = kind("disk_full", 1021, "HY000")                  // the disk has no room for a write.
	StorageIO             = kind("storage_io", 1030, "HY000")                 // the storage engine reports an I/O error.
	Corrupt               = kind("corrupt", 1034, "HY000")                    // stored data fails its checks.
	NoSuchRecord          = kind("no_such_record", 1032, "HY000")             // a record of a system table is not there.
	OutOfMemory           = kind("out_of_memory", 1038, "HY001")              // a statement needs more memory than its limit.
	ColumnNotNull         = kind("column_not_null", 1048, "23000")            // NULL is given for a NOT NULL column.
	BadDatabase           = kind("unknown_database", 1049, "42000")           // a namespace does not exist.
	TableExists           = kind("table_exists", 1050, "42S01")               // CREATE TABLE names a table that exists.
	UnknownTable          = kind("unknown_table", 1051, "42S02")              // DROP TABLE names a table that does not exist.
	UnknownColumn         = kind("unknown_column", 1054, "42S22")             // a name is no column in scope.
	AmbiguousColumn       = kind("ambiguous_column", 1052, "23000")           // a name is a column of several tables in scope.
	WrongFieldWithGrp     = kind("not_in_group_by", 1055, "42000")            // a selected column is not determined by GROUP BY.
	TooLongIdent          = kind("identifier_too_long", 1059, "42000")        // a name has more than 64 characters.
	DupFieldName          = kind("duplicate_column_name", 1060, "42S21")      // a table definition names a column twice.
	DupKeyName            = kind("duplicate_index_name", 1061, "42000")       // a table definition names an index twice.
	DupEntry              = kind("duplicate_entry", 1062, "23000")            // a unique key holds the value already.
	Syntax                = kind("syntax", 1064, "42000")                     // the SQL text cannot be parsed.
	EmptyQuery            = kind("empty_query", 1065, "42000")                // the SQL text holds no statement.
	NonUniqTable          = kind("table_alias_not_unique", 1066, "42000")     // FROM names two tables alike.
	InvalidDefault        = kind("invalid_default", 1067, "42000")            // a DEFAULT does not fit its column.
	MultiplePriKey        = kind("multiple_primary_key", 1068, "42000")       // a table definition has two primary keys.
	TooManyKeys           = kind("too_many_keys", 1069, "42000")              // a table has more than 64 indexes.
	KeyTooLong            = kind("key_too_long", 1071, "42000")               // an index key is longer than allowed.
	KeyColumnMissing      = kind("key_column_missing", 1072, "42000")         // an index names a column that is not there.
	BlobKeyNoLength       = kind("blob_key_without_length", 1170, "42000")    // an index on a BLOB or TEXT needs a length.
	TooBigFieldLength     = kind("column_too_long", 1074, "42000")            // a column's declared length is too large.
	WrongAutoKey          = kind("wrong_auto_key", 1075, "42000")             // AUTO_INCREMENT is not a single, keyed column.
	CantDropKey           = kind("cannot_drop", 1091, "42000")                // DROP names a column or index that is not there.
	NoDatabase            = kind("no_database", 1046, "3D000")                // no namespace is selected.
	WrongDatabaseName     = kind("wrong_database_name", 1102, "42000")        // a namespace name is not allowed.
	WrongTableName        = kind("wrong_table_name", 1103, "42000")           // a table name is not allowed.
	WrongColumnName       = kind("wrong_column_name", 1166, "42000")          // a column name is not allowed.
	ViewOfTemporary       = kind("view_of_temporary", 1352, "HY000")          // a view's query names a temporary table.
	TriggerOnTemporary    = kind("trigger_on_temporary", 1361, "HY000")       // a trigger on a temporary table or view.
	WrongPlacement        = kind("wrong_placement", 1234, "42000")            // a word of SELECT where it has no meaning.
	WrongUsage            = kind("wrong_usage", 1221, "HY000")                // clauses are used together that exclude one another.
	FieldSpecTwice        = kind("column_specified_twice", 1110, "42000")     // INSERT names a column twice.
	KillDenied            = kind("kill_denied", 1095, "HY000")                // KILL names another user's session.
	InvalidGroupFunc      = kind("invalid_group_function", 1111, "HY000")     // an aggregate stands where none may.
	TableMustHaveCols     = kind("table_without_columns", 1113, "42000")      // a table definition has no column.
	RowTooLarge           = kind("row_too_large", 1118, "42000")              // a row is larger than allowed.
	WrongColumnCount      = kind("wrong_value_count", 1136, "21S01")          // a row has another number of values than columns.
	MixGroupFuncFields    = kind("mixed_group_columns", 1140, "42000")        // aggregates and plain columns mix without GROUP BY.
	NoSuchTable           = kind("no_such_table", 1146, "42S02")              // a table does not exist.
	WrongColumnSpec       = kind("wrong_column_specifier", 1063, "42000")     // a column's attributes do not suit its type.
	AccessDenied          = kind("access_denied", 1142, "42000")              // the user may not do this.
	LockWaitTimeout       = retry("lock_wait_timeout", 1205, "HY000")         // a row lock was not had in time.
	FileNotFound          = kind("file_not_found", 1017, "HY000")             // a file that LOAD DATA names is not there.
	WrongFieldTerminators = kind("wrong_field_terminators", 1083, "42000")    // LOAD DATA encloses or escapes fields by more than one character.
	TooFewRecords         = kind("too_few_fields", 1261, "01000")             // a row of LOAD DATA's file has too few fields.
	TooManyRecords        = kind("too_many_fields", 1262, "01000")            // a row of LOAD DATA's file has too many fields.
	UserLockWrongName     = kind("wrong_lock_name", 3057, "42000")            // a lock's name is NULL, empty or too long.
	UserLockDeadlock      = retry("lock_deadlock", 3058, "HY000")             // sessions would wait for one another's named locks.
	LockNoWait            = kind("lock_nowait", 3572, "HY000")                // a row is locked and NOWAIT was said.
	UnresolvedTableLock   = kind("unresolved_table_lock", 3568, "HY000")      // FOR UPDATE OF names no table of the query.
	DuplicateTableLock    = kind("duplicate_table_lock", 3569, "HY000")       // locking clauses name a table twice.
	LockDeadlock          = retry("deadlock", 1213, "40001")                  // the transaction was chosen to break a deadlock.
	WriteConflict         = retry("write_conflict", 3101, "40001")            // a row changed after the transaction's snapshot.
	UnknownStmtHandler    = kind("unknown_prepared_statement", 1243, "HY000") // a prepared statement is not there.
	WrongArguments        = kind("wrong_arguments", 1210, "HY000")            // parameters do not match the statement's markers.
	SubqueryNo1Row        = kind("subquery_returns_many", 1242, "21000")      // a scalar subquery has more than one row.
	OperandColumns        = kind("operand_columns", 1241, "21000")            // an operand has the wrong number of columns.
	UnknownCollation      = kind("unknown_collation", 1273, "HY000")          // COLLATE names no known collation.
	UnknownSysVar         = kind("unknown_system_variable", 1193, "HY000")    // SET or @@ names no known variable.
	WrongValueForVar      = kind("wrong_variable_value", 1231, "42000")       // SET gives a variable a value it cannot have.
	WrongTypeForVar       = kind("wrong_variable_type", 1232, "42000")        // SET gives a variable a value of another type.
	NotSupported          = kind("not_supported", 1235, "42000")              // SQL is understood but not supported.
	UnknownFunction       = kind("unknown_function", 1305, "42000")           // a function does not exist.
	WrongParamCount       = kind("wrong_parameter_count", 1582, "42000")      // a function is called with too many or few arguments.
	OutOfRange            = kind("out_of_range", 1264, "22003")               // a value is out of its column's range.
	DataOutOfRange        = kind("expression_out_of_range", 1690, "22003")    // an expression's value is out of its type's range.
	DataTruncated         = kind("data_truncated", 1265, "01000")             // a value does not suit its column.
	NoDefault             = kind("no_default", 1364, "HY000")                 // a column without default is given no value.
	DivisionByZero        = kind("division_by_zero", 1365, "22012")           // INSERT or UPDATE divides by zero.
	IncorrectValue        = kind("incorrect_value", 1366, "HY000")            // a value is no number or has bytes that are not in its charset.
	TruncatedWrongVal     = kind("truncated_wrong_value", 1292, "22007")      // a date, time or number has a wrong form.
	DataTooLong           = kind("data_too_long", 1406, "22001")              // a value is longer than its column.
	DupValueInType        = kind("duplicate_member", 1291, "HY000")           // ENUM or SET names a member twice.
	WrongColumnsInSet     = kind("wrong_set_columns", 1222, "21000")          // parts of a UNION, or SELECT ... INTO and its variables, have different numbers of columns.
	ViewColumnCount       = kind("derived_column_count", 1353, "HY000")       // a column list does not match its derived table.
	DerivedNeedsAlias     = kind("derived_needs_alias", 1248, "42000")        // a subquery in FROM has no alias.
	ReadOnly              = kind("read_only_transaction", 1792, "25006")      // a read-only transaction or database would write.
	CantChangeTx          = kind("cannot_change_transaction", 1568, "25001")  // a transaction's characteristics are set while it runs.
	QueryTimeout          = kind("query_timeout", 3024, "HY000")              // a SELECT ran for longer than max_execution_time.
	Interrupted           = kind("interrupted", 1317, "70100")                // the context was cancelled; wraps ctx.Err().
	InvalidJSON           = kind("invalid_json", 3140, "22032")               // a text is not JSON.
	WrongValue            = kind("wrong_value", 1525, "HY000")                // a constant compared with a date is no date.
	BadNull               = kind("null_not_allowed", 1138, "22004")           // NULL stands where none may.
	CommandDenied         = kind("table_not_writable", 1044, "42000")         // a system table or namespace would be written.
	CannotUser            = kind("user_statement_failed", 1396, "HY000")      // CREATE USER names a user that exists, ALTER or DROP USER one that does not.
	UserExists            = kind("user_exists_note", 3163, "HY000")           // a note: CREATE USER IF NOT EXISTS names a user that exists.
	UserMissing           = kind("user_missing_note", 3162, "HY000")          // a note: DROP or ALTER USER IF EXISTS names a user that does not exist.
	WrongUserName         = kind("wrong_user_name", 1470, "HY000")            // a user's name is empty, too long or no text.
	WrongGroupField       = kind("wrong_group_field", 1056, "42000")          // GROUP BY names an aggregate.
	NoTablesUsed          = kind("no_tables_used", 1096, "HY000")             // SELECT * stands without FROM.
	KeyNotFound           = kind("key_not_found", 1176, "42000")              // an index hint names an index that is not there.
	OrderNotSelected      = kind("order_not_selected", 3065, "HY000")         // SELECT DISTINCT orders by what it does not select.
	PrimaryCantHaveNull   = kind("primary_key_nullable", 1171, "42000")       // a column of a primary key is declared NULL.
	BlobCantHaveDefault   = kind("blob_with_default", 1101, "42000")          // a BLOB, TEXT or JSON column has a literal DEFAULT.
	TooManyFields         = kind("too_many_columns", 1117, "HY000")           // a table definition has more than 4096 columns.
	TooManyKeyParts       = kind("too_many_key_parts", 1070, "42000")         // an index has more than 16 columns.
	WrongNameForIndex     = kind("wrong_index_name", 1280, "42000")           // an index name is not allowed.
	InvalidOnUpdate       = kind("invalid_on_update", 1294, "HY000")          // ON UPDATE does not fit its column.
	TableDefChanged       = retry("table_definition_changed", 1412, "HY000")  // a table changed after the transaction's snapshot.
	NoSuchSavepoint       = kind("no_such_savepoint", 1305, "42000")          // ROLLBACK TO or RELEASE names no savepoint.
	VariableReadOnly      = kind("variable_is_read_only", 1238, "HY000")      // SET names a variable that cannot be set.
	AutoIncExhausted      = kind("auto_increment_exhausted", 1467, "HY000")   // AUTO_INCREMENT has no further value.
	TooBigScale           = kind("scale_too_big", 1425, "42000")              // a DECIMAL declares more than 30 digits after the point.
	TooBigPrecision       = kind("precision_too_big", 1426, "42000")          // a type declares more digits than it can have.
	MBiggerThanD          = kind("scale_over_precision", 1427, "42000")       // a DECIMAL declares more digits after the point than in all.
	TooBigDisplayWidth    = kind("display_width_too_big", 1439, "42000")      // a BIT declares more than 64 bits.
	InvalidSize           = kind("invalid_size", 3013, "HY000")               // a BIT declares no bits.
	InvalidYearLength     = kind("invalid_year_length", 1818, "HY000")        // a YEAR declares another length than 4.
	CollationMismatch     = kind("collation_charset_mismatch", 1253, "42000") // COLLATE does not belong to the CHARACTER SET.
	TooManyMembers        = kind("too_many_members", 3505, "HY000")           // an ENUM or SET has more members than it can have.
	IllegalSetValue       = kind("illegal_set_value", 1367, "22007")          // a SET's member has a comma.
	TooLongMember         = kind("member_too_long", 3504, "HY000")            // an ENUM's or SET's member has more than 255 characters.

	CutByGroupConcat    = kind("cut_by_group_concat", 1260, "HY000")      // a GROUP_CONCAT is longer than group_concat_max_len.
	JSONNullKey         = kind("json_null_member_name", 3158, "22032")    // a JSON object's member would have no name.
	RecursionNeedsUnion = kind("recursion_needs_union", 3573, "HY000")    // a recursive common table expression is no UNION.
	RecursionNeedsSeed  = kind("recursion_needs_seed", 3574, "HY000")     // a recursive part of a UNION comes first, or others after it.
	RecursionAggregates = kind("recursion_aggregates", 3575, "HY000")     // a recursive part aggregates or has window functions.
	RecursionJoin       = kind("recursion_join_order", 3576, "HY000")     // a recursive part is on the right of a LEFT JOIN.
	RecursionTwice      = kind("recursion_reference", 3577, "HY000")      // a recursive part names its table twice or in a subquery.
	RecursionTooDeep    = kind("recursion_too_deep", 3636, "HY000")       // a recursive query takes more than cte_max_recursion_depth rounds.
	UpdateTableUsed     = kind("target_table_read", 1093, "HY000")        // a subquery reads the table that the statement changes.
	UnknownMultiTable   = kind("unknown_target_table", 1109, "42S02")     // a multi-table DELETE names a table that is not in its FROM.
	NonUpdatable        = kind("not_updatable", 1288, "HY000")            // a derived table or a view would be changed.
	NoSuchWindow        = kind("no_such_window", 3579, "HY000")           // OVER names a window that is not defined.
	WindowCycle         = kind("window_cycle", 3580, "HY000")             // windows are defined by one another.
	WindowPartition     = kind("window_partition", 3581, "HY000")         // a window based on another has PARTITION BY.
	WindowFrame         = kind("window_frame_inherited", 3582, "HY000")   // a window with a frame is the base of another.
	WindowOrder         = kind("window_order_redefined", 3583, "HY000")   // a window and the one it is based on have ORDER BY.
	FrameStart          = kind("frame_start", 3584, "HY000")              // a frame starts at UNBOUNDED FOLLOWING.
	FrameEnd            = kind("frame_end", 3585, "HY000")                // a frame ends at UNBOUNDED PRECEDING.
	IllegalFrame        = kind("illegal_frame", 3586, "HY000")            // an end of a frame is negative, NULL or no integer.
	RangeOrder          = kind("range_order", 3587, "HY000")              // a RANGE at a distance is not over one number or time.
	RangeNeedsInterval  = kind("range_needs_interval", 3588, "HY000")     // a RANGE over times is at a distance that is no INTERVAL.
	RangeInterval       = kind("range_interval", 3589, "HY000")           // a RANGE over numbers is at an INTERVAL.
	FrameNotConstant    = kind("frame_not_constant", 3590, "HY000")       // an end of a frame depends on the row.
	DupWindow           = kind("duplicate_window", 3591, "HY000")         // WINDOW defines a name twice.
	WindowPosition      = kind("window_position", 3592, "HY000")          // a window is ordered by a column's position.
	WindowFuncMisuse    = kind("window_function_misuse", 3593, "HY000")   // a window function stands where none may.
	WindowAliasMisuse   = kind("window_alias_misuse", 3594, "HY000")      // a window function's alias stands where none may.
	NestedWindow        = kind("nested_window", 3595, "HY000")            // a window is defined by a window function.
	RowsInterval        = kind("rows_interval", 3596, "HY000")            // a frame of ROWS has an INTERVAL.
	NotGroupedBy        = kind("grouping_not_in_group_by", 3602, "HY000") // GROUPING names what is not in GROUP BY.

	ZlibTooLarge        = kind("zlib_too_large", 1256, "HY000")            // UNCOMPRESS is given what is too long uncompressed.
	CorruptedZlib       = kind("zlib_corrupted", 1259, "HY000")            // UNCOMPRESS is given what is not compressed.
	DatetimeOverflow    = kind("datetime_overflow", 1441, "22008")         // a date leaves the calendar.
	IllegalMix          = kind("illegal_mix_of_collations", 1267, "HY000") // two texts' collations exclude one another.
	IllegalMixOfThree   = kind("illegal_mix_of_three", 1270, "HY000")      // three texts' collations exclude one another.
	IllegalMixOfMany    = kind("illegal_mix_of_many", 1271, "HY000")       // several texts' collations exclude one another.
	InvalidCharacters   = kind("invalid_characters", 1300, "HY000")        // bytes are no text in a character set.
	IncorrectType       = kind("incorrect_type", 3064, "HY000")            // a function's argument is of a type that it does not take.
	InvalidJSONText     = kind("invalid_json_text", 3141, "22032")         // a function's argument is a text that is not JSON.
	InvalidJSONCharset  = kind("invalid_json_charset", 3144, "22032")      // JSON would be made from a binary string.
	InvalidJSONPath     = kind("invalid_json_path", 3143, "42000")         // a text is not a JSON path.
	InvalidJSONType     = kind("invalid_json_type", 3146, "22032")         // a JSON function is given neither JSON nor text.
	JSONPathWildcard    = kind("json_path_wildcard", 3149, "42000")        // a path has * or ** where it must lead to one value.
	JSONPathRoot        = kind("json_path_root", 3153, "42000")            // the path $ stands where it may not.
	JSONOneOrAll        = kind("json_one_or_all", 3154, "42000")           // an argument is neither 'one' nor 'all'.
	JSONTooDeep         = kind("json_too_deep", 3157, "22032")             // a JSON document is nested too deep.
	JSONPathNotCell     = kind("json_path_not_cell", 3165, "42000")        // a path does not lead to a cell of an array.
	MissingJSONValue    = kind("missing_json_value", 3966, "22035")        // JSON_VALUE finds nothing, and ERROR ON EMPTY.
	MultipleJSONValues  = kind("multiple_json_values", 3967, "22034")      // JSON_VALUE finds an array or object, and ERROR ON ERROR.
	JSONTableMissing    = kind("json_table_missing", 3665, "22035")        // JSON_TABLE finds no value for a column, and ERROR ON EMPTY.
	JSONTableNotScalar  = kind("json_table_not_scalar", 3666, "2203F")     // JSON_TABLE finds an array or object for a scalar column, and ERROR ON ERROR.
	JSONTableOutOfRange = kind("json_table_out_of_range", 3667, "22003")   // JSON_TABLE finds a value that its column does not hold, and ERROR ON ERROR.

	CharsetMismatch   = kind("charset_mismatch", 3995, "HY000")     // a regular expression is searched for in bytes, or bytes in text.
	WrongValueForType = kind("wrong_value_for_type", 1411, "HY000") // a function's argument has a form that it cannot read.
	RegexpSyntax      = kind("regexp_syntax", 3688, "HY000")        // a text is not a regular expression.
	RegexpParenthesis = kind("regexp_parenthesis", 3691, "HY000")   // a regular expression opens or closes a parenthesis too much.
	RegexpBracket     = kind("regexp_bracket", 3696, "HY000")       // a regular expression has a [ without ].

	RegexpTimeout  = kind("regexp_timeout", 3699, "HY000")  // a regular expression takes too many steps on a text.
	PacketOverflow = kind("packet_overflow", 1301, "HY000") // a function's text is longer than max_allowed_packet.

	GeneratedValue       = kind("generated_column_value", 3105, "HY000")      // a generated column is given a value.
	GeneratedChange      = kind("generated_column_change", 3106, "HY000")     // a generated column is declared or changed as it cannot be.
	GeneratedNotPrior    = kind("generated_column_order", 3107, "HY000")      // a generated column refers to a later one.
	GeneratedDependency  = kind("generated_column_dependency", 3108, "HY000") // a column is dropped or renamed that a generated one needs.
	GeneratedAuto        = kind("generated_column_auto", 3109, "HY000")       // a generated column refers to the AUTO_INCREMENT column.
	GeneratedFunction    = kind("generated_column_function", 3102, "HY000")   // a generated column has a subquery or an aggregate.
	GeneratedImpure      = kind("generated_column_impure", 3763, "HY000")     // a generated column calls a function whose value is not the row's alone.
	GeneratedVariable    = kind("generated_column_variable", 3765, "HY000")   // a generated column refers to a variable.
	DefaultDependency    = kind("default_dependency", 3766, "HY000")          // a column is dropped or renamed that a DEFAULT needs.
	DefaultNotPrior      = kind("default_order", 3767, "HY000")               // a DEFAULT refers to a generated column, or one with a later DEFAULT.
	DefaultAuto          = kind("default_auto", 3768, "HY000")                // a DEFAULT refers to the AUTO_INCREMENT column.
	DefaultFunction      = kind("default_function", 3769, "HY000")            // a DEFAULT has a subquery or an aggregate.
	DefaultVariable      = kind("default_variable", 3772, "HY000")            // a DEFAULT refers to a variable.
	IndexDependency      = kind("functional_index_dependency", 3837, "HY000") // a column is dropped or renamed that an index on an expression needs.
	CantRemoveAllColumns = kind("cannot_remove_all_columns", 1090, "42000")   // ALTER TABLE drops every column.
	AlterAlgorithm       = kind("alter_algorithm", 1845, "0A000")             // ALTER TABLE asks for an ALGORITHM or LOCK that it cannot have.
	FunctionalAuto       = kind("functional_index_auto", 3754, "HY000")       // an index is on an expression of the AUTO_INCREMENT column.
	FunctionalPrimary    = kind("functional_primary_key", 3756, "HY000")      // a primary key has an expression.
	FunctionalLob        = kind("functional_index_on_lob", 3757, "HY000")     // an index is on an expression that is a BLOB, TEXT or JSON.
	FunctionalImpure     = kind("functional_index_function", 3758, "HY000")   // an index is on an expression whose value is not the row's alone.
	FunctionalColumn     = kind("functional_index_on_column", 3762, "HY000")  // an index is on an expression that is a column.

	UnknownAlgorithm = kind("unknown_alter_algorithm", 1800, "HY000") // ALTER TABLE names an ALGORITHM that there is not.

	WrongSubKey   = kind("wrong_prefix_key", 1089, "HY000")      // an index has a prefix that its column cannot give.
	KeyPartZero   = kind("key_part_zero", 1391, "HY000")         // an index has no character of a column.
	JSONUsedAsKey = kind("json_used_as_key", 3152, "42000")      // an index is on a JSON column.
	PKInvisible   = kind("primary_key_invisible", 3522, "HY000") // a primary key is declared INVISIBLE.

	NoGeometry         = kind("no_geometry", 1416, "22003")              // a spatial column is given what is no geometry of its type.
	WrongSRIDForColumn = kind("wrong_srid_for_column", 3643, "HY000")    // a geometry has another SRID than its column.
	SpatialFunctional  = kind("spatial_functional_index", 3760, "HY000") // an index is on an expression that is spatial.
	SpatialUnique      = kind("spatial_unique_index", 3728, "HY000")     // a primary or unique key is on a spatial column.

	GISDifferentSRIDs   = kind("gis_different_srids", 3033, "HY000")             // a spatial function is given geometries of two reference systems.
	GISUnknown          = kind("gis_unknown", 3035, "HY000")                     // a spatial function fails on what it was given.
	GISInvalidData      = kind("gis_invalid_data", 3037, "22023")                // a spatial function is given what is no geometry.
	InvalidGeoJSON      = kind("invalid_geojson", 3074, "HY000")                 // a text is no GeoJSON.
	DimensionUnknown    = kind("dimension_unsupported", 3075, "22023")           // GeoJSON has a point with more than two coordinates.
	UnexpectedGeometry  = kind("unexpected_geometry_type", 3516, "22S01")        // a spatial function is given a geometry of another type.
	InvalidOptionKey    = kind("invalid_option_key", 3558, "22023")              // a spatial function's options have an unknown one.
	InvalidOptionValue  = kind("invalid_option_value", 3559, "22023")            // a spatial function's option has an unknown value.
	LongitudeOutOfRange = kind("longitude_out_of_range", 3616, "22S02")          // a longitude is not in (-180, 180].
	LatitudeOutOfRange  = kind("latitude_out_of_range", 3617, "22S03")           // a latitude is not in [-90, 90].
	NotForCartesian     = kind("not_for_cartesian_srs", 3704, "22S00")           // a spatial function is given geometries of the plane that it does not take.
	NonpositiveRadius   = kind("nonpositive_radius", 3706, "22003")              // a sphere's radius is not above zero.
	NotGeographic       = kind("not_geographic", 3726, "22S00")                  // longitude or latitude is asked of a point of the plane.
	ParamLongitude      = kind("param_longitude_out_of_range", 3731, "22S02")    // a geometry has a longitude that is not in (-180, 180].
	ParamLatitude       = kind("param_latitude_out_of_range", 3732, "22S03")     // a geometry has a latitude that is not in [-90, 90].
	UnknownLengthUnit   = kind("geometry_in_unknown_length_unit", 3882, "SU001") // a length of the plane is asked for in a unit.

	// Kalam's own.
	DatabaseInUse  = kind("database_in_use", 20001, "HY000")  // another process has the database open.
	NotADatabase   = kind("not_a_database", 20002, "HY000")   // the path holds something else than a Kalam database.
	NewerFormat    = kind("newer_format", 20003, "HY000")     // the database was written by a newer Kalam.
	NoSuchDatabase = kind("database_missing", 20004, "HY000") // the path does not exist and create=false.
	BadDSN         = kind("bad_dsn", 20005, "HY000")          // a data source name cannot be understood.
	Closed         = kind("closed", 20006, "HY000")           // the database, session, statement or rows is closed.
	WrongOption    = kind("wrong_option", 20009, "HY000")     // WITH names an option that there is not, or gives it a value it can't have.
	UserRowsStay   = kind("user_rows_stay", 20011, "HY000")   // a note: DROP USER without CASCADE leaves the user's rows where they are.
	OtherUser      = kind("other_user", 20010, "25001")       // a transaction is used with the context of another user.
	NotABackup     = kind("not_a_backup", 20007, "HY000")     // the path holds something else than a backup.
	BackupInUse    = kind("backup_in_use", 20008, "HY000")    // another backup writes to the directory.
	NoSuchJob      = kind("no_such_job", 20020, "HY000")      // KILL JOB names none that waits or runs.
	JobRequired    = kind("job_required", 20021, "HY000")     // KILL JOB names one that must not be left undone.
	StorageInUse   = kind("storage_in_use", 20030, "HY000")   // a storage location would go or move that tables are kept in.
	TableWatched   = kind("table_watched", 20022, "HY000")    // a table would be dropped that live queries watch.
	ChangesGone    = kind("changes_gone", 20023, "HY000")     // the changes that a live query is to go on with are not kept any more.
	SubscriberSlow = kind("subscriber_slow", 20024, "HY000")  // a live query was not read for so long that changes it lacks are not kept any more.
	NoSuchLive     = kind("no_live_query", 20025, "HY000")    // KILL LIVE QUERY names none.
	NoSuchTopic    = kind("no_such_topic", 20027, "42S02")    // a topic is named that is not there.
	TopicExists    = kind("topic_exists", 20028, "42S01")     // CREATE TOPIC names one that is there.
	WrongTopic     = kind("wrong_topic", 20029, "HY000")      // a topic cannot have that source, or no such offset.
	LiveKilled     = kind("live_killed", 20026, "70100")      // KILL LIVE QUERY ended the live query.
	Internal       = kind("internal", 20099, "HY000")         // Kalam failed; a defect to report.
)

// Retryable is the kind of the kinds after which running the transaction again may
// succeed: errors.Is(err, Retryable) tells.
var Retryable = &Kind{Name: "retryable"}

func kind(name string, number uint16, state string) *Kind {
	return &Kind{Name: name, Number: number, State: state}
}

func retry(name string, number uint16, state string) *Kind {
	k := kind(name, number, state)
	k.Retryable = true
	return k
}
