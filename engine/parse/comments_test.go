package parse

import "testing"

func TestUnwrapped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"select 1":                                   "select 1",
		"/*!40101 set x */;":                         "         set x   ;",
		"a /*!50003 b*/ /*!50017 c=`/*!d`*/ e":       "a          b            c=`/*!d`   e",
		"select /*!99999 no */ 1":                    "select                1",
		"select '/*!1 ''x\\' */', /* /*!2 */ \"*/\"": "select '/*!1 ''x\\' */', /* /*!2 */ \"*/\"",
		"/*! a /* b */ c */ d":                       "    a /* b */ c    d",
		"select /*!40000 1":                          "select /*!40000 1",
		"-- /*!1 x*/\n/*!1 y*/":                      "-- /*!1 x*/\n     y  ",
	} {
		if got := unwrapped(in, versionComment); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
