package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxNames bounds the exported names and methods of package auditlog, those of types that
// are not exported included: docs/adr/0035.
const maxNames = 120

func TestAuditlogHasFewNames(t *testing.T) {
	files, err := filepath.Glob("../../auditlog/*.go")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	add := func(name *ast.Ident) {
		if name.IsExported() {
			count++
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				add(decl.Name)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						add(spec.Name)
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							add(name)
						}
					}
				}
			}
		}
	}
	if count == 0 || count > maxNames {
		t.Errorf("package auditlog exports %d names and methods, want %d at most: make what only this module uses internal", count, maxNames)
	}
}
