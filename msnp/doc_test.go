package msnp_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTableOfTheDraft: the table in the package comment names every transcript, and
// nothing that does not exist.
func TestTableOfTheDraft(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	doc := file.Doc.Text()
	paths, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts (%v)", err)
	}
	known := make(map[string]bool)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		known[name] = true
		if !regexp.MustCompile(`(?m)(^|[\s,])` + regexp.QuoteMeta(name) + `([\s,.]|$)`).MatchString(doc) {
			t.Errorf("%s is not in the table", path)
		}
	}
	for _, name := range regexp.MustCompile(`\b([578](?:\.[0-9]+)?-[a-z][a-z0-9-]*|ref-[0-9][a-z0-9.-]*|persona-[a-z0-9.-]*[a-z0-9])\b`).FindAllString(doc, -1) {
		if !known[name] {
			t.Errorf("the table names %s, which does not exist", name)
		}
	}
	for _, name := range regexp.MustCompile(`\b[a-z]+\.go\b`).FindAllString(doc, -1) {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("the table names %s: %v", name, err)
		}
	}
	tests := ""
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(source)
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w*\b`).FindAllString(doc, -1) {
		if !strings.Contains(tests, "func "+name+"(") {
			t.Errorf("the table names %s, which does not exist", name)
		}
	}
}
