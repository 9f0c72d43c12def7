package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDurabilityHasItsTests checks that the tests which durability.md names, in
// brackets, are there.
func TestDurabilityHasItsTests(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			known[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("durability.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?:Test|Fuzz)\w+`).FindAllString(string(text), -1)
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !known[name] {
			t.Errorf("there is no test %s", name)
		}
	}
}
