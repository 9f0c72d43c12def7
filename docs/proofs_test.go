package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are those whose promises are proven.
var pages = []string{"durability.md", "transactions.md"}

// TestPromisesNameTests checks that each promise, which is an item of a list, names a test.
func TestPromisesNameTests(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`\[[^\]]*\b(?:Test|Fuzz)\w+[^\]]*\]`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range regexp.MustCompile(`\n(?:- |\n)`).Split(string(text), -1) {
			first, _, _ := strings.Cut(part, "\n")
			if strings.Contains(string(text), "\n- "+first) && !named.MatchString(part) {
				t.Errorf("%s: no test is named for: %s", page, part)
			}
		}
	}
}

// TestNamedTestsExist checks that the tests which the pages about promises name
// are there; those of TestGolden by their files.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
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
	name := regexp.MustCompile(`\b(?:Test|Fuzz)\w+(?:/\w+)?`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		named := name.FindAllString(string(text), -1)
		if len(named) < 20 {
			t.Errorf("%s names only %d tests", page, len(named))
		}
		for _, n := range named {
			if !known[n] {
				t.Errorf("%s: there is no test %s", page, n)
			}
		}
	}
}
