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

// draftSections are the sections of draft-movva-00 that ask something of a server.
var draftSections = []string{
	"5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7",
	"6",
	"7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "7.8", "7.9", "7.10", "7.11",
	"8.1", "8.2", "8.3", "8.4", "8.5", "8.6", "8.7", "8.8",
}

// TestTableOfTheDraft: the table in the package comment has a row for each section of
// the draft, which names code that exists and what shows it; and the table names every
// transcript, and nothing that does not exist.
func TestTableOfTheDraft(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	doc := file.Doc.Text()
	shown := transcriptsAndTests(t)
	for name, transcript := range shown {
		if transcript && !regexp.MustCompile(`(?m)(^|[\s,])`+regexp.QuoteMeta(name)+`([\s,.]|$)`).MatchString(doc) {
			t.Errorf("the transcript %s is not in the table", name)
		}
	}
	rows := draftRows(doc)
	for _, section := range draftSections {
		if rows[section] == nil {
			t.Errorf("§%s is not in the table", section)
			continue
		}
		checkRow(t, section, rows[section], shown)
	}
	for _, name := range regexp.MustCompile(`\b([578](?:\.[0-9]+)?-[a-z][a-z0-9-]*|ref-[0-9][a-z0-9.-]*|persona-[a-z0-9.-]*[a-z0-9]|Test[A-Z]\w*)\b`).FindAllString(doc, -1) {
		if _, ok := shown[name]; !ok {
			t.Errorf("the table names %s, which does not exist", name)
		}
	}
	for _, name := range regexp.MustCompile(`\b[a-z]+\.go\b`).FindAllString(doc, -1) {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("the table names %s: %v", name, err)
		}
	}
}

// transcriptsAndTests are the names of what may show something, true for a transcript.
func transcriptsAndTests(t *testing.T) map[string]bool {
	t.Helper()
	shown := make(map[string]bool)
	paths, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts (%v)", err)
	}
	for _, path := range paths {
		shown[strings.TrimSuffix(filepath.Base(path), ".txt")] = true
	}
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(t `).FindAllSubmatch(source, -1) {
			shown[string(m[1])] = false
		}
	}
	return shown
}

// draftRows are the rows of the draft's table by section: title, code and what shows
// it. What stands in the third column alone goes on with the row above.
func draftRows(doc string) map[string][]string {
	rows := make(map[string][]string)
	row := regexp.MustCompile(`^\t§([0-9.]+) (.*?) {2,}(.*?) {2,}(.*)$`)
	last := ""
	for line := range strings.Lines(doc) {
		line = strings.TrimRight(line, "\n")
		if m := row.FindStringSubmatch(line); m != nil {
			last = m[1]
			rows[last] = m[2:]
		} else if strings.HasPrefix(line, "\t        ") && last != "" {
			rows[last][2] += " " + strings.TrimSpace(line)
		} else {
			last = ""
		}
	}
	return rows
}

// checkRow wants code that exists and something that shows it.
func checkRow(t *testing.T, section string, row []string, shown map[string]bool) {
	t.Helper()
	for _, code := range strings.Split(row[1], ", ") {
		if _, err := os.Stat(code); err != nil {
			t.Errorf("the code of §%s: %v", section, err)
		}
	}
	if section == "6" && row[2] == "all of them" { // it sums up the others
		return
	}
	for _, name := range strings.Split(row[2], ", ") {
		if _, ok := shown[name]; !ok {
			t.Errorf("§%s is to be shown by %q, which does not exist", section, name)
		}
	}
}
