package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNamedTestsExist checks that the tests which a page names, in brackets, are
// there; those of TestGolden by their files.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return filepath.SkipDir
		case strings.HasSuffix(path, ".test") && filepath.Base(filepath.Dir(path)) == "testdata":
			known["TestGolden/"+strings.TrimSuffix(d.Name(), ".test")] = true
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range function.FindAllStringSubmatch(string(text), -1) {
				known[m[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("transactions.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	list := regexp.MustCompile(`\[(Test[\w/]+(?:,\s+Test[\w/]+)*)\]`)
	for _, m := range list.FindAllStringSubmatch(string(text), -1) {
		for _, name := range strings.Split(m[1], ",") {
			if named++; !known[strings.TrimSpace(name)] {
				t.Errorf("there is no test %s", strings.TrimSpace(name))
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d tests are named", named)
	}
}
