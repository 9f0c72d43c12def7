package badinput

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// With these environment variables the test binary is another process: it does
// the job with the data source name, as the user if one is given, and prints
// how it went.
const (
	jobVariable  = "KALAM_TEST_JOB"
	dsnVariable  = "KALAM_TEST_DSN"
	userVariable = "KALAM_TEST_USER"
)

// nobody is a user without rights of its own.
const nobody = 65534

func TestMain(m *testing.M) {
	job := os.Getenv(jobVariable)
	if job == "" {
		os.Exit(m.Run())
	}
	if user, err := strconv.Atoi(os.Getenv(userVariable)); err == nil {
		if err := syscall.Setuid(user); err != nil {
			fmt.Println(err)
			return
		}
	}
	db, err := sql.Open("kalam", os.Getenv(dsnVariable))
	if err == nil {
		err = jobs[job](db)
	}
	if err != nil {
		fmt.Println(err)
	}
}

// jobs do not close the database: the process ends as in a crash.
var jobs = map[string]func(*sql.DB) error{
	"read": func(db *sql.DB) error {
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n); err != nil {
			return err
		}
		fmt.Println(n, "rows")
		return db.Close()
	},
	"create": func(db *sql.DB) error {
		if _, err := db.Exec("CREATE TABLE t (a INT)"); err != nil {
			return err
		}
		fmt.Println("created")
		return db.Close()
	},
	"write": func(db *sql.DB) error {
		if _, err := db.Exec("CREATE TABLE log (id INT PRIMARY KEY, text VARCHAR(200), UNIQUE KEY (text))"); err != nil {
			return err
		}
		for i := range logRows {
			if _, err := db.Exec("INSERT INTO log VALUES (?, ?)", i, logText(i)); err != nil {
				return err
			}
		}
		fmt.Println("written")
		return nil
	},
}

const logRows = 20

func logText(i int) string { return fmt.Sprintf("%0150d", i) }

// process runs a job in another process, as a user if user is not 0, and
// returns what it prints.
func process(t *testing.T, job, dsn string, user int) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), jobVariable+"="+job, dsnVariable+"="+dsn)
	if user != 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", userVariable, user))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", job, err, out)
	}
	return string(out)
}
