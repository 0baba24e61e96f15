package arch

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

const module = "github.com/shardfs/shardfs/"

// layer is one package of the module.
type layer struct {
	name    string
	ours    []string
	outside []string
}

// layers reads the table of docs/architecture.md: the packages, lowest first, with everything that they import, of this
// module from rows further up, and of other modules. Programs, which no package imports, and packages for tests alone
// are not in it.
func layers(t *testing.T) (list []layer) {
	t.Helper()
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	short := make(map[string]string) // names as the third column has them
	names := func(cell string) (all []string) {
		if cell = strings.TrimSpace(cell); cell != "–" {
			all = strings.Split(cell, ", ")
		}
		return all
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		l := layer{name: strings.Trim(cells[1], " `")}
		if l.name == "cmd/shardfs" {
			continue
		}
		for _, name := range names(cells[3]) {
			if short[name] == "" {
				t.Errorf("%s imports %s, which is in no row above", l.name, name)
			}
			l.ours = append(l.ours, short[name])
		}
		for _, name := range names(cells[4]) {
			if name, ok := strings.CutPrefix(name, "x/"); ok {
				l.outside = append(l.outside, "golang.org/x/"+name)
			} else {
				l.outside = append(l.outside, "github.com/"+name)
			}
		}
		slices.Sort(l.ours)
		slices.Sort(l.outside)
		short[strings.TrimPrefix(l.name, "internal/")] = l.name
		list = append(list, l)
	}
	return list
}

// forTests reports whether only tests may import a package.
func forTests(name string) bool {
	return strings.HasPrefix(name, "internal/testing/") || name == "internal/store/memory" ||
		name == "internal/store/storetest"
}

// only lists the packages that may import a package of this module, besides programs and packages for tests.
var only = map[string][]string{
	"fusefs": {"internal/server", "internal/mounts"},
	// Where no store is given, and for what a remote store keeps on disk.
	"internal/store/file": {"internal/output", "internal/shard", "internal/store/remote", "internal/view"},
}

// never lists packages that a package must not import, even indirectly; a name that ends in a slash means all packages
// below it.
var never = map[string][]string{
	"index": {"net", "os/exec", "flag", "github.com/hanwen/", "github.com/spf13/"},
	"pack": {"net", "os/exec", "flag", "github.com/hanwen/", "github.com/spf13/", module + "fusefs",
		module + "internal/runner", module + "internal/overlay"},
}

// neverItself lists packages that a package must not import directly, although the standard library may.
var neverItself = map[string][]string{
	"index": {"os", "io/fs", "path/filepath"},
}

// programsOnly lists functions that only programs may use: they read flags and environment, write messages and exit.
// "*" means that only programs may import the package.
var programsOnly = map[string][]string{
	"flag":                   {"*"},
	"github.com/spf13/pflag": {"*"},
	"github.com/spf13/cobra": {"*"},
	"log/slog":               {"*"},
	"log": {"Default", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln", "Print", "Printf",
		"Println", "Output",
		"SetOutput", "SetFlags", "SetPrefix", "Writer"},
	"os": {"Args", "Clearenv", "Environ", "Exit", "Expand", "ExpandEnv", "Getenv", "LookupEnv", "Setenv", "Stderr",
		"Stdin", "Stdout", "Unsetenv"},
	"fmt":     {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"syscall": {"Environ", "Exit", "Getenv"},
}

// noClock lists the packages whose results do not depend on the time.
var noClock = []string{"index", "pack", "internal/codec"}

// goPackage is a package as the go command knows it.
type goPackage struct {
	ImportPath, Dir, Name string
	GoFiles               []string
	Imports, Deps         []string
}

// base returns a package's path below the module.
func (p goPackage) base() string { return strings.TrimPrefix(p.ImportPath, module) }

// packages returns all packages of the module.
func packages(t *testing.T) (list []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,GoFiles,Imports,Deps", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		skip.Without(t, "the go command: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// Every package imports what the table of docs/architecture.md says, and every package in the table exists.
func TestImports(t *testing.T) {
	table := layers(t)
	if len(table) < 20 {
		t.Fatalf("the table has %d rows", len(table))
	}
	seen := make(map[string]bool)
	for _, p := range packages(t) {
		if p.Name == "main" || p.base() == "internal/arch" || forTests(p.base()) {
			continue
		}
		ours, outside := p.imports()
		seen[p.base()] = true
		i := slices.IndexFunc(table, func(l layer) bool { return l.name == p.base() })
		if i < 0 {
			t.Errorf("%s is not in the table", p.base())
			continue
		}
		if !slices.Equal(ours, table[i].ours) || !slices.Equal(outside, table[i].outside) {
			t.Errorf("%s imports %q and %q, want %q and %q", p.base(), ours, outside, table[i].ours, table[i].outside)
		}
		for _, path := range ours {
			if forTests(path) {
				t.Errorf("%s imports %s, which is for tests", p.base(), path)
			}
			if allowed, ok := only[path]; ok && !slices.Contains(allowed, p.base()) {
				t.Errorf("%s imports %s, which is for %q only", p.base(), path, allowed)
			}
		}
	}
	for _, l := range table {
		if !seen[l.name] {
			t.Errorf("%s is in the table and does not exist", l.name)
		}
	}
}

// imports returns the packages of this module that p imports, and the other modules.
func (p goPackage) imports() (ours, outside []string) {
	for _, path := range p.Imports {
		if name, ok := strings.CutPrefix(path, module); ok {
			ours = append(ours, name)
		} else if parts := strings.SplitN(path, "/", 4); strings.Contains(parts[0], ".") {
			outside = append(outside, strings.Join(parts[:3], "/"))
		}
	}
	slices.Sort(outside)
	return ours, slices.Compact(outside)
}

// Only the local store knows that a shard is an *os.File.
func TestNoFiles(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains([]string{"internal/store", "internal/codec", "index", "internal/view"}, p.base()) {
			continue
		}
		fset := token.NewFileSet()
		for _, f := range parse(t, fset, p) {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "File" {
					if of, ok := s.X.(*ast.Ident); ok && of.Name == "os" {
						t.Errorf("%s: os.File is used", fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

func TestNever(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range never[p.base()] {
			for _, dep := range p.Deps {
				if dep == path || strings.HasSuffix(path, "/") && strings.HasPrefix(dep, path) {
					t.Errorf("%s comes to %s", p.base(), dep)
				}
			}
		}
		for _, path := range neverItself[p.base()] {
			if slices.Contains(p.Imports, path) {
				t.Errorf("%s imports %s", p.base(), path)
			}
		}
	}
}

// parse returns the files of a package, tests excepted.
func parse(t *testing.T, fset *token.FileSet, p goPackage) (files []*ast.File) {
	t.Helper()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// Only programs read flags and environment, write messages and exit. No package panics, and those whose results must
// not depend on the time do not ask for it.
func TestManners(t *testing.T) {
	for _, p := range packages(t) {
		if p.Name == "main" {
			continue
		}
		fset := token.NewFileSet()
		for _, f := range parse(t, fset, p) {
			imports := make(map[string]string) // paths by the names used in this file
			for _, spec := range f.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				name := path[strings.LastIndexByte(path, '/')+1:]
				if spec.Name != nil {
					name = spec.Name.Name
				}
				imports[name] = path
				if slices.Contains(programsOnly[path], "*") || name == "." {
					t.Errorf("%s: %s is imported", fset.Position(spec.Pos()), path)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if name, ok := n.Fun.(*ast.Ident); ok &&
						slices.Contains([]string{"panic", "print", "println"}, name.Name) {
						t.Errorf("%s: %s is called", fset.Position(n.Pos()), name.Name)
					}
				case *ast.SelectorExpr:
					of, ok := n.X.(*ast.Ident)
					if !ok {
						break
					}
					path := imports[of.Name]
					if forTests(p.base()) && path == "os" && n.Sel.Name == "Getenv" {
						break // of the machine that tests run on
					}
					if slices.Contains(programsOnly[path], n.Sel.Name) ||
						path == "time" && n.Sel.Name == "Now" && slices.Contains(noClock, p.base()) {
						t.Errorf("%s: %s.%s is used", fset.Position(n.Pos()), path, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// A package variable is set only in its declaration: an error, a table. So no code may assign to one or to a
// part of it or take its address, and none may have a type that is meant to be changed. This test cannot see changes
// through a copy of a slice or a map.
func TestPackageVariables(t *testing.T) {
	for _, p := range packages(t) {
		fset := token.NewFileSet()
		files := parse(t, fset, p)
		variables := make(map[string]bool)
		for _, f := range files {
			for _, decl := range f.Decls {
				d, ok := decl.(*ast.GenDecl)
				if !ok || d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						variables[name.Name] = name.Name != "_"
					}
				}
				ast.Inspect(d, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						of, ok := s.X.(*ast.Ident)
						if ok && (of.Name == "sync" || of.Name == "atomic") {
							t.Errorf("%s: a package variable of %s.%s", fset.Position(n.Pos()), of.Name, s.Sel.Name)
						}
					}
					return true
				})
			}
		}
		changed := func(e ast.Expr) {
			if name := root(e); name != nil && variables[name.Name] {
				t.Errorf("%s: %s is changed, or a local variable has the name of a package's",
					fset.Position(e.Pos()), name.Name)
			}
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					for _, e := range n.Lhs {
						if n.Tok != token.DEFINE {
							changed(e)
						}
					}
				case *ast.IncDecStmt:
					changed(n.X)
				case *ast.RangeStmt:
					if n.Tok == token.ASSIGN {
						changed(n.Key)
						changed(n.Value)
					}
				case *ast.UnaryExpr:
					if n.Op == token.AND {
						changed(n.X)
					}
				}
				return true
			})
		}
	}
}

// root returns the variable that an expression is a part of, if it is one.
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	}
	return nil
}
