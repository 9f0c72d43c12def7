package parse

import "testing"

func TestShown(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"select 'a'":                                       "select 'a'",
		"create user 'a' identified by 'b'":                "create user '<secret>' identified by '<secret>'",
		"create user a IDENTIFIED BY \"b''\"\"":            "create user a IDENTIFIED BY '<secret>'",
		"create user a identified by 'b\\'c' x":            "create user a identified by '<secret>' x",
		"create user a identified by 'b":                   "create user a identified by '<secret>'",
		"create user a identified by 0xbc 'x'":             "create user a identified by '<secret>' '<secret>'",
		"select `password` from t where x = 'y' -- 'z'":    "select `password` from t where x = '<secret>' -- 'z'",
		"update t set Password = 'x', y = \"z\" /* 'c' */": "update t set Password = '<secret>', y = '<secret>' /* 'c' */",
		"set password = secret":                            "set password = '<secret>'",
		"set password = ?":                                 "set password = ?",
	} {
		if got := Shown(sql); got != want {
			t.Errorf("%s is shown as %s, want %s", sql, got, want)
		}
	}
}

func TestQuotedHosts(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"create user 'a'@'%' identified by '@''x'": "create user 'a'@`%` identified by '@''x'",
		"select @'my var', \"b@'c'\" from t":       "select @`my var`, \"b@'c'\" from t",
		"select 'a@', 'b' -- @'x'":                 "select 'a@', 'b' -- @'x'",
		"'a'@'unfinished":                          "'a'@'unfinished",
		"'a'@'b`c'":                                "'a'@'b`c'",
	} {
		if got := quotedHosts(sql); got != want {
			t.Errorf("%s becomes %s, want %s", sql, got, want)
		}
	}
}
