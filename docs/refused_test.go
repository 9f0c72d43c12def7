package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// refusedBegin is the heading in sql.md under which TestRefused's list stands, up to
// the end of the page.
const refusedBegin = "## What is refused\n"

// refusal finds the statements that are refused in the corpus of conformance/badinput,
// which its test runs, and what the error names.
var refusal = regexp.MustCompile(`(?m)^(.+)\n----\nError 1235 \(42000\): This version of Kalam doesn't yet support '(.+?)'(?: \(at position \d+\))?$`)

// TestRefused compares the list of what is refused with the corpus. It is over before
// TestExamples goes on, which writes the page, too.
func TestRefused(t *testing.T) {
	corpus, err := os.ReadFile(filepath.Join("..", "conformance", "badinput", "testdata", "unsupported.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, m := range refusal.FindAllStringSubmatch(string(corpus), -1) {
		list.WriteString("- " + m[2] + ": `" + strings.ReplaceAll(m[1], "`", "") + "`\n")
	}
	if strings.Count(list.String(), "\n") < 20 {
		t.Fatalf("hardly anything is refused:\n%s", &list)
	}
	page, err := os.ReadFile("sql.md")
	if err != nil {
		t.Fatal(err)
	}
	before, section, found := strings.Cut(string(page), refusedBegin)
	at := strings.Index(section, "\n- ")
	if !found || at < 0 {
		t.Fatalf("sql.md has no list under %q", refusedBegin)
	}
	have := section[at+1:]
	if *update {
		if err := os.WriteFile("sql.md", []byte(before+refusedBegin+section[:at+1]+list.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(list.String(), have); diff != "" {
		t.Errorf("run with -update:\n%s", diff)
	}
}
