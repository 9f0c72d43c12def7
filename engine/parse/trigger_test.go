package parse

import (
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func TestTriggers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql        string
		statements int
		body       string
	}{
		{"create trigger x before insert on t for each row set new.a = 1; select 1", 2, "set new.a = 1"},
		{"create trigger x before insert on t for each row begin end; select 1", 2, "begin end"},
		{"CREATE DEFINER=`root`@`localhost` TRIGGER d.`x y` AFTER UPDATE ON d.t FOR EACH ROW FOLLOWS `begin` BEGIN INSERT INTO u VALUES (1); END", 1,
			"BEGIN INSERT INTO u VALUES (1); END"},
		{`create trigger if not exists x after delete on t for each row begin
			declare a, b int default 1 + if(1, 2, 3); -- ; END
			declare s varchar(10) character set utf8mb4 default 'x;END';
			if old.a > 1 then set a = case when old.b then if(1, 2, 3) else 3 end; elseif a then begin end; else delete from u; end if;
			case a when 1 then set b = 2; else begin end; end case;
			while a < 10 do set a = a + 1; end while;
			repeat set a = a - 1; until a < 0 end repeat;
			select x, max(y) into a, b from u where (x) > 1 limit 1;
			signal sqlstate '45000' set message_text = 'no; end', mysql_errno = 7;
		end; select 1; select 2`, 3, ""},
	} {
		list, err := Parse(tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		c, ok := list[0].AST.(*CreateTrigger)
		if !ok || len(list) != tt.statements || tt.body != "" && c.Body != tt.body {
			t.Errorf("%s: %d statements, %+v", tt.sql, len(list), list[0].AST)
		}
	}
	for sql, want := range map[string]*sqlerr.Kind{
		"create trigger x before insert on t":                                      sqlerr.Syntax,
		"create trigger x before insert on t for each row":                         sqlerr.Syntax,
		"create trigger x insert on t for each row set new.a = 1":                  sqlerr.Syntax,
		"create trigger x before insert on t for each row begin set new.a = 1 end": sqlerr.Syntax,
		"create trigger x before insert on t for each row begin set new.a = 1;":    sqlerr.Syntax,
		"create trigger x before insert on t for each row set new.a = ?":           sqlerr.Syntax,
		"create trigger x before insert on t for each row set @@a = 1":             sqlerr.NotSupported,
		"create trigger x before insert on t for each row select 1":                sqlerr.NoResultSet,
		"create trigger x before insert on t for each row commit":                  sqlerr.NotSupported,
		"create trigger x before insert on t for each row set new.a = (1":          sqlerr.Syntax,
		"create trigger x before insert on t for each row begin if 1 then end if":  sqlerr.Syntax,
		"drop trigger":           sqlerr.Syntax,
		"drop trigger x y":       sqlerr.Syntax,
		"create trigger 'x'":     sqlerr.Syntax,
		"create trigger x . y .": sqlerr.Syntax,
	} {
		if _, err := Parse(sql); sqlerr.As(err) == nil || sqlerr.As(err).Kind != want {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
