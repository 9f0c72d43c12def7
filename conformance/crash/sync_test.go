package main

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// serialVariable has the data source name of a child that inserts rows one
// after another, when it is told to.
const serialVariable = "KALAM_CRASH_SERIAL"

const serialRows = 30

func serial(dsn string) error {
	db, err := sql.Open("kalam", dsn)
	if err != nil {
		return err
	}
	if _, err := db.Exec("CREATE TABLE t (a INT PRIMARY KEY)"); err != nil {
		return err
	}
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	in.ReadString('\n')
	for i := range serialRows {
		if _, err := db.Exec("INSERT INTO t VALUES (?)", i); err != nil {
			return err
		}
	}
	fmt.Println("done")
	in.ReadString('\n')
	return db.Close()
}

// TestSyncs counts the calls of fsync and fdatasync that commits make.
func TestSyncs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no C compiler for the shim")
	}
	dir := t.TempDir()
	s, err := buildShim(dir)
	if err != nil {
		t.Fatal(err)
	}
	for sync, want := range map[string]int{"full": serialRows, "normal": 0, "off": 0} {
		path := filepath.Join(dir, sync)
		f, err := s.on(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(append(os.Environ(), serialVariable+"=file:"+path+"?sync="+sync), f.environment()...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		expect := func(line string) {
			t.Helper()
			if !lines.Scan() || lines.Text() != line {
				t.Errorf("the child says %q", lines.Text())
			}
		}
		expect("ready")
		before := f.get(syncs)
		fmt.Fprintln(in)
		expect("done")
		if got := int(f.get(syncs) - before); got != want {
			t.Errorf("sync=%s: %d syncs for %d commits, want %d", sync, got, serialRows, want)
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
