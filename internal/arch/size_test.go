package arch

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Limits for readability. Tests may be longer, but not wider.
const (
	maxFile     = 400 // lines
	maxFunction = 60  // lines
	maxColumns  = 120 // of a line of code, a tab counted as 4; comments are wrapped as their file is
	tab         = 4
)

// Files and functions are short, and lines of code narrow.
func TestSizes(t *testing.T) {
	err := filepath.WalkDir("../..", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		name = filepath.Clean(strings.TrimPrefix(name, "../.."))
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		code := linesOfCode(src)
		lines := strings.Split(string(src), "\n")
		for i, line := range lines {
			if columns := len([]rune(line)) + (tab-1)*strings.Count(line, "\t"); columns > maxColumns && code[i+1] {
				t.Errorf("%s:%d: %d columns", name, i+1, columns)
			}
		}
		if strings.HasSuffix(name, "_test.go") {
			return nil
		}
		if len(lines)-1 > maxFile {
			t.Errorf("%s: %d lines", name, len(lines)-1)
		}
		for _, decl := range f.Decls {
			begin, end := fset.Position(decl.Pos()), fset.Position(decl.End())
			if _, ok := decl.(*ast.FuncDecl); ok && end.Line-begin.Line+1 > maxFunction {
				t.Errorf("%s: a function of %d lines", begin, end.Line-begin.Line+1)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// linesOfCode returns the numbers of the lines that hold more than a comment.
func linesOfCode(src []byte) map[int]bool {
	code := make(map[int]bool)
	file := token.NewFileSet().AddFile("", -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0)
	for {
		pos, kind, text := s.Scan()
		switch {
		case kind == token.EOF:
			return code
		case kind == token.SEMICOLON && text == "\n": // not in the file
		default:
			for i := range strings.Count(text, "\n") + 1 {
				code[file.Line(pos)+i] = true
			}
		}
	}
}
