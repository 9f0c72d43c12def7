package kalam_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	module    = "github.com/kalamgo/kalam"
	grocksdb  = "github.com/linxGnu/grocksdb"
	rocks     = "engine/store/kv/rocks"
	inModule  = module + "/"
	storeTree = "engine/store"
)

// layeringRules say which imports would turn the house upside down: a package
// that from picks must not import one that to picks. Packages of this module go
// by their path below it.
var layeringRules = []struct {
	name     string
	tests    bool // also holds for tests
	from, to func(path string) bool
}{
	{"only " + rocks + " may know RocksDB", true,
		not(within(rocks)), within(grocksdb)},
	{"only engine/geometry may know the library of geometries", true,
		not(within("engine/geometry")), within("github.com/peterstace/simplefeatures")},
	{"the engine reaches storage only through engine/store and engine/sqlmeta", false,
		both(within("engine"), not(within(storeTree, "engine/sqlmeta"))), within("engine/store/kv")},
	{"only engine/store picks a key-value store", false,
		both(within("engine"), not(within(storeTree))), within(rocks, "engine/store/kv/mem")},
	{"the key-value contract knows nothing of what is stored", true,
		within("engine/store/kv"), both(within("engine"), not(within("engine/store/kv", "engine/sqlerr")))},
	{"the driver knows the engine, not its storage", false,
		within("driver"), within(storeTree, "engine/sqlmeta")},
	{"the engine does not know its driver", false,
		within("engine"), within("driver")},
	{"storage does not know what stands on it", false,
		within(storeTree, "engine/sqlmeta"), within("engine/parse", "engine/expr", "engine/plan", "engine/exec", "engine/txn", "engine/tables", "engine/service")},
	{"evaluation does not know execution", false,
		within("engine/expr"), within("engine/exec", "engine/plan")},
	{"nothing rests on the examples", true,
		not(within("examples")), within("examples")},
	{"nothing rests on the conformance suites", true,
		not(within("conformance")), within("conformance")},
	{"nothing rests on the shell", true,
		not(within("cmd")), within("cmd")},
	{"errors rest on the standard library alone", false,
		within("engine/sqlerr"), not(standard)},
}

// within picks the packages at and below the paths.
func within(paths ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(paths, func(p string) bool {
			return path == p || strings.HasPrefix(path, p+"/")
		})
	}
}

func both(a, b func(string) bool) func(string) bool {
	return func(path string) bool { return a(path) && b(path) }
}

func not(a func(string) bool) func(string) bool {
	return func(path string) bool { return !a(path) }
}

// ourTops are the folders of this module that hold packages.
var ourTops = within("driver", "engine", "examples", "conformance", "cmd")

// standard picks the standard library, whose paths begin without a domain.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && !ourTops(path)
}

func TestLayering(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	packages := 0
	for d := json.NewDecoder(bytes.NewReader(out)); ; packages++ {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, sentence := range broken(p.ImportPath, p.Imports, slices.Concat(p.TestImports, p.XTestImports)) {
			t.Error(sentence)
		}
	}
	if packages < 10 {
		t.Errorf("go list found %d packages", packages)
	}
}

// broken returns a sentence for each import that breaks a rule.
func broken(pkg string, imports, testImports []string) (sentences []string) {
	from := strings.TrimPrefix(pkg, inModule)
	for _, r := range layeringRules {
		if !r.from(from) {
			continue
		}
		list := imports
		if r.tests {
			list = slices.Concat(imports, testImports)
		}
		for _, imp := range list {
			if to := strings.TrimPrefix(imp, inModule); r.to(to) {
				sentences = append(sentences, from+" imports "+to+", but "+r.name+".")
			}
		}
	}
	return sentences
}

// TestZeroRocksDBImportsInCore counts the packages of the engine that import RocksDB,
// and those that import what does.
func TestZeroRocksDBImportsInCore(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./engine/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	core := 0
	for line := range strings.Lines(string(out)) {
		list := strings.Fields(line)
		pkg := strings.TrimPrefix(list[0], inModule)
		if within(storeTree, "engine/sqlmeta")(pkg) {
			continue
		}
		core++
		for _, imp := range list[1:] {
			if within(grocksdb, inModule+rocks)(imp) {
				t.Errorf("%s imports %s", pkg, imp)
			}
		}
	}
	if core < 10 {
		t.Errorf("the core has %d packages", core)
	}
}

// TestLayeringRules shows that each rule catches what it is for.
func TestLayeringRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pkg, imp string
		breaks   bool
	}{
		{"engine/store/kv/rocks", grocksdb, false},
		{"engine/store", grocksdb, true},
		{"engine/exec", "engine/store", false},
		{"engine/exec", "engine/store/kv", true},
		{"engine", "engine/store/kv/mem", true},
		{"engine/sqlmeta", "engine/store/kv", false},
		{"engine/sqlmeta", "engine/store/kv/rocks", true},
		{"engine/store", "engine/store/kv/rocks", false},
		{"engine/store/kv", "engine/types", true},
		{"engine/store/kv", "engine/sqlerr", false},
		{"driver", "engine", false},
		{"driver", "engine/sqlmeta", true},
		{"engine/exec", "driver", true},
		{"engine/store", "engine/txn", true},
		{"engine/expr", "engine/exec", true},
		{"engine/exec", "engine/expr", false},
		{"engine/exec", "conformance/slt/logictest", true},
		{"conformance/slt", "conformance/slt/logictest", false},
		{"engine", "examples/packages", true},
		{"driver", "cmd/kalam", true},
		{"engine/sqlerr", "errors", false},
		{"engine/sqlerr", "vitess.io/vitess/go/sqltypes", true},
		{"engine/sqlerr", "engine/types", true},
	} {
		imp := c.imp
		if ourTops(imp) {
			imp = inModule + imp
		}
		if got := broken(inModule+c.pkg, []string{imp}, nil); (len(got) > 0) != c.breaks {
			t.Errorf("%s importing %s: %q, want it to break a rule: %v", c.pkg, c.imp, got, c.breaks)
		}
	}
}
