package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rules that hold for the whole tree stand here, where they are checked.

// mayImport says what each package may import of this module. A new package
// needs an entry: think of its place first.
var mayImport = map[string][]string{
	"msnp/wire":                {},
	"msnp/body":                {"msnp/wire"},
	"msnp":                     {"msnp/wire", "msnp/body"},
	"msnp/msnptest":            {"msnp", "msnp/wire", "msnp/body"},
	"bridge/handle":            {"msnp"},
	"bridge/text":              {"msnp/body"},
	"bridge/media":             {"bridge"},
	"bridge":                   {"bridge/handle", "bridge/text", "msnp", "msnp/body"},
	"bridge/fake":              {"bridge", "msnp"},
	"bridge/matrix":            {"bridge", "bridge/handle", "bridge/matrix/cipher", "bridge/matrix/content", "bridge/text", "msnp"},
	"bridge/matrix/cipher":     {},
	"bridge/matrix/content":    {"bridge", "bridge/text"},
	"bridge/child":             {},
	"bridge/matrix/matrixtest": {"bridge/child"},
	"bridge/xmpp":              {"bridge", "bridge/handle", "bridge/text", "bridge/xmpp/stream", "msnp"},
	"bridge/xmpp/stream":       {},
	"bridge/xmpp/xmpptest":     {"bridge/child", "bridge/xmpp/stream"},
	"store":                    {"bridge", "bridge/media", "bridge/text", "msnp"},
	"cmd/papillon":             {"bridge", "bridge/matrix", "bridge/media", "bridge/xmpp", "msnp", "store"},
	"tools/bench":              {"bridge", "bridge/matrix", "bridge/matrix/matrixtest", "bridge/xmpp", "bridge/xmpp/stream", "bridge/xmpp/xmpptest", "msnp", "msnp/body", "msnp/msnptest", "store"},
	"tools/demo":               {"bridge/matrix/matrixtest", "bridge/xmpp/xmpptest", "msnp", "msnp/msnptest"},
}

// mayNotImport keeps sockets and SQL out of the packages that decide what things
// mean, so that these can be tested without either.
var mayNotImport = map[string][]string{
	"msnp/wire":     {"net", "net/http", "database/sql"},
	"msnp/body":     {"net", "net/http", "database/sql"},
	"msnp":          {"net/http", "database/sql"},
	"bridge":        {"net", "net/http", "database/sql"},
	"bridge/handle": {"net", "net/http", "database/sql"},
	"bridge/text":   {"net", "net/http", "database/sql"},

	"bridge/matrix/content": {"net", "net/http", "database/sql"},
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "papillon/")
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s is new: say in mayImport what it may import", name)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, "papillon/"); ok && known && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which is not its business", name, ours)
			}
			if slices.Contains(mayNotImport[name], imported) {
				t.Errorf("%s imports %s, which is not its business", name, imported)
			}
		}
	}
}

// goPackage is what go list tells of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// packages lists the packages of the module.
func packages(t *testing.T) (all []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "papillon/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list knows only %d packages: the test looks in the wrong place", len(all))
	}
	return all
}

const (
	// maxFunction and maxFile are where a room gets too large, in lines.
	maxFunction, maxFile = 80, 600
)

// tooLarge names what may be larger, and why.
var tooLarge = map[string]string{
	"msnp/msnptest/request_test.go:TestRequests":        "a table of cases",
	"msnp/msnptest/switchboard_test.go:TestSwitchboard": "one conversation, told in order",
	"store/open_test.go:TestOpenRefuses":                "a table of cases",
}

func TestRoomsAreSmall(t *testing.T) {
	unused := make(map[string]bool)
	for name := range tooLarge {
		unused[name] = true
	}
	complain := func(name string, lines, limit int) {
		delete(unused, name)
		if lines > limit && tooLarge[name] == "" {
			t.Errorf("%s has %d lines: more than %d belong into several", name, lines, limit)
		}
	}
	eachFile(t, func(path string, files *token.FileSet, file *ast.File) {
		complain(path, files.Position(file.FileEnd).Line, maxFile)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				lines := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1
				complain(path+":"+f.Name.Name, lines, maxFunction)
			}
		}
	})
	for name := range unused {
		t.Errorf("%s is excused for its size, but does not exist", name)
	}
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	documented := make(map[string]bool) // packages
	eachFile(t, func(path string, _ *token.FileSet, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		dir := filepath.Dir(path)
		documented[dir] = documented[dir] || file.Doc != nil
		for _, name := range undocumented(file) {
			t.Errorf("%s: %s has no comment that says what it is for", path, name)
		}
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// undocumented returns the exported names of a file that have no comment.
func undocumented(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || ast.IsExported(receiver(d))) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Doc == nil || d.Lparen.IsValid() && d.Tok == token.TYPE {
				names = append(names, undocumentedSpecs(d)...)
			}
		}
	}
	return names
}

// undocumentedSpecs looks at a declaration without a comment of its own. A
// comment also covers the lines right below it that it mentions.
func undocumentedSpecs(d *ast.GenDecl) (names []string) {
	var last string // the last comment
	covered := func(name *ast.Ident, doc, behind *ast.CommentGroup) bool {
		if doc != nil {
			last = doc.Text()
			return true
		}
		return !name.IsExported() || behind != nil || strings.Contains(last, name.Name)
	}
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if !covered(s.Name, s.Doc, s.Comment) {
				names = append(names, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if !covered(n, s.Doc, s.Comment) {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// receiver is the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	for t := d.Recv.List[0].Type; ; {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// eachFile parses every Go file of the module, named from its root.
func eachFile(t *testing.T, f func(path string, files *token.FileSet, file *ast.File)) {
	t.Helper()
	root := os.DirFS(filepath.Join("..", ".."))
	seen := 0
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		source, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, source, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		seen++
		f(path, files, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Fatalf("only %d Go files: the test looks in the wrong place", seen)
	}
}
