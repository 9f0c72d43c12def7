package engine

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/parse"
)

// The variables of MySQL that mean nothing here, or have one value that is true: clients
// and tools read them, and some are set in passing.

// clientConstants can't be set in a session, with MySQL's defaults where there is nothing
// here that would have another value.
var clientConstants = map[string]any{
	"max_connections": int64(151), "max_user_connections": int64(0), "max_connect_errors": int64(100), "connect_timeout": int64(10),
	"back_log": int64(151), "thread_cache_size": int64(9), "table_open_cache": int64(4000), "table_definition_cache": int64(2000),
	"key_buffer_size": int64(8 << 20), "net_buffer_length": int64(16384), "net_retry_count": int64(10),
	"hostname": hostname(), "port": int64(0), "socket": "", "skip_networking": int64(1), "bind_address": "", "protocol_version": int64(10),
	"server_id": int64(1), "version_compile_machine": cmp.Or(machines[runtime.GOARCH], runtime.GOARCH), "innodb_version": parse.MySQLVersion,
	"character_set_system": "utf8mb3", "character_set_filesystem": "binary", "lower_case_file_system": int64(0),
	"have_ssl": "DISABLED", "have_openssl": "DISABLED", "have_profiling": "NO", "have_dynamic_loading": "NO", "have_statement_timeout": "YES",
	"require_secure_transport": int64(0), "local_infile": int64(1), "secure_file_priv": "", "event_scheduler": "OFF",
	"log_bin": int64(0), "gtid_mode": "OFF", "gtid_executed": "", "gtid_purged": "", "enforce_gtid_consistency": "OFF",
	"log_bin_trust_function_creators": int64(0), "general_log": int64(0), "slow_query_log": int64(0), "log_output": "FILE",
	"innodb_file_per_table": int64(1), "innodb_page_size": int64(16384), "innodb_default_row_format": "dynamic",
	"innodb_autoinc_lock_mode": int64(2), "innodb_deadlock_detect": int64(1), "innodb_rollback_on_timeout": int64(0),
	"mandatory_roles": "", "activate_all_roles_on_login": int64(0), "partial_revokes": int64(0),
	"max_error_count": int64(maxWarnings), "default_tmp_storage_engine": "Kalam",
}

// clientFixed can be set to what they are.
var clientFixed = map[string]any{
	"block_encryption_mode": "aes-128-ecb", "default_week_format": int64(0), "lc_time_names": "en_US", "lc_messages": "en_US",
	"max_join_size": "18446744073709551615", "completion_type": "NO_CHAIN", "default_collation_for_utf8mb4": "utf8mb4_bin", "windowing_use_high_precision": int64(1),
	"sql_require_primary_key": int64(0), "sql_generate_invisible_primary_key": int64(0),
}

// clientToggles are ON or OFF, and clientNumbers have their least value behind the
// default one: what they would change is no answer.
var (
	clientToggles = map[string]int64{
		"big_tables": 0, "sql_log_bin": 1, "sql_log_off": 0, "sql_warnings": 0, "sql_buffer_result": 0, "profiling": 0, "low_priority_updates": 0,
		"keep_files_on_create": 0, "old_alter_table": 0, "innodb_strict_mode": 1, "innodb_table_locks": 1, "end_markers_in_json": 0,
		"session_track_schema": 1, "session_track_state_change": 0, "show_create_table_verbosity": 0, "print_identified_with_as_hex": 0,
	}
	clientNumbers = map[string][2]int64{
		"optimizer_search_depth": {62, 0}, "optimizer_prune_level": {1, 0}, "eq_range_index_dive_limit": {200, 0}, "long_query_time": {10, 0},
		"max_seeks_for_key": {1<<63 - 1, 1}, "max_length_for_sort_data": {4096, 4}, "min_examined_row_limit": {0, 0},
		"profiling_history_size": {15, 0}, "range_optimizer_max_mem_size": {8 << 20, 0}, "histogram_generation_max_mem_size": {20000000, 1000000},
		"preload_buffer_size": {32768, 1024}, "query_alloc_block_size": {8192, 1024}, "query_prealloc_size": {8192, 8192},
		"range_alloc_block_size": {4096, 4096}, "transaction_alloc_block_size": {8192, 1024}, "transaction_prealloc_size": {4096, 1024},
	}
)

// booleans are the constants and others that SHOW VARIABLES shows as ON and OFF.
var booleans = []string{
	"skip_networking", "lower_case_file_system", "require_secure_transport", "local_infile", "log_bin", "log_bin_trust_function_creators",
	"general_log", "slow_query_log", "innodb_file_per_table", "innodb_deadlock_detect", "innodb_rollback_on_timeout",
	"activate_all_roles_on_login", "partial_revokes", "windowing_use_high_precision", "sql_require_primary_key", "sql_generate_invisible_primary_key",
	"autocommit", "transaction_read_only", "tx_read_only", "performance_schema", "sql_auto_is_null", "sql_safe_updates", "sql_quote_show_create",
	"foreign_key_checks", "explicit_defaults_for_timestamp", "read_only", "super_read_only", "innodb_read_only",
	"sql_notes", "sql_big_selects", "unique_checks",
}

var machines = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// addClientVariables adds those of this file to the variables.
func addClientVariables() {
	for name, v := range clientConstants {
		variables[name] = constant(v)
	}
	for name, v := range clientFixed {
		variables[name] = fixed(v)
	}
	for name, normal := range clientToggles {
		variables[name] = toggle(name, normal)
	}
	for name, n := range clientNumbers {
		variables[name] = remembered(name, n[0], n[1])
	}
	readOnly := variable{get: func(s *Session) any { return boolInt(s.cfg.ReadOnly) }}
	variables["read_only"], variables["super_read_only"], variables["innodb_read_only"] = readOnly, readOnly, readOnly
	variables["optimizer_switch"] = variable{getSwitches, setSwitches}
}

// optimizerSwitches are the parts of optimizer_switch with MySQL's defaults. They choose
// among plans.
var optimizerSwitches = []struct {
	name string
	on   bool
}{
	{"index_merge", true}, {"index_merge_union", true}, {"index_merge_sort_union", true}, {"index_merge_intersection", true},
	{"engine_condition_pushdown", true}, {"index_condition_pushdown", true}, {"mrr", true}, {"mrr_cost_based", true},
	{"block_nested_loop", true}, {"batched_key_access", false}, {"materialization", true}, {"semijoin", true}, {"loosescan", true},
	{"firstmatch", true}, {"duplicateweedout", true}, {"subquery_materialization_cost_based", true}, {"use_index_extensions", true},
	{"condition_fanout_filter", true}, {"derived_merge", true}, {"use_invisible_indexes", false}, {"skip_scan", true}, {"hash_join", true},
	{"subquery_to_derived", false}, {"prefer_ordering_index", true}, {"hypergraph_optimizer", false}, {"derived_condition_pushdown", true},
}

func getSwitches(s *Session) any {
	set, ok := s.remembered["optimizer_switch"]
	var parts []string
	for i, x := range optimizerSwitches {
		on := x.on
		if ok {
			on = set>>i&1 == 1
		}
		parts = append(parts, x.name+"="+map[bool]string{true: "on", false: "off"}[on])
	}
	return strings.Join(parts, ",")
}

func setSwitches(s *Session, v any) error {
	list, ok := v.(string)
	if !ok {
		return errWrongType
	}
	defaults := int64(0)
	for i, x := range optimizerSwitches {
		defaults |= boolInt(x.on) << i
	}
	set, ok := s.remembered["optimizer_switch"]
	if !ok {
		set = defaults
	}
	for _, part := range strings.Split(strings.ToLower(list), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		i := 0
		for i < len(optimizerSwitches) && optimizerSwitches[i].name != name {
			i++
		}
		switch {
		case name == "default" && value == "":
			set = defaults
		case i == len(optimizerSwitches) || !slices.Contains([]string{"on", "off", "default"}, value):
			return errWrongValue
		default:
			bit := int64(1) << i
			set &^= bit
			if value == "on" || value == "default" && defaults&bit != 0 {
				set |= bit
			}
		}
	}
	s.remember("optimizer_switch", set)
	return nil
}
