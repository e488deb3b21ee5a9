package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsQuoteTheLog: what docs/xmpp.md says is to be seen in the log is in the
// program.
func TestDocumentsQuoteTheLog(t *testing.T) {
	var program strings.Builder
	tree := os.DirFS(filepath.Join("..", ".."))
	for _, dir := range []string{"bridge", "cmd"} {
		err := fs.WalkDir(tree, dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := fs.ReadFile(tree, path)
			program.Write(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, table, ok := strings.Cut(read(t, filepath.Join("..", "..", "docs", "xmpp.md")), "| what you see |")
	if !ok {
		t.Fatal("there is no table of what is to be seen in the log")
	}
	quoted := regexp.MustCompile("`[^`]+`")
	found := 0
	for line := range strings.Lines(table) {
		seen, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, phrase := range quoted.FindAllString(seen, -1) {
			found++
			if phrase = strings.Trim(phrase, "`"); !strings.Contains(phrase, "@") && !strings.Contains(program.String(), phrase) {
				t.Errorf("docs/xmpp.md has %q, which the program does not say", phrase)
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d phrases found: the test looks for the wrong thing", found)
	}
}
