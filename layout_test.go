package dataflow_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rules is the dependency table of ARCHITECTURE.md: what a package may import of ours, and which heavy
// foreign modules are for it alone. A rule holds for the package and all below it, the longest prefix wins.
var rules = []struct {
	pkg     string
	ours    []string // prefixes; "*" is anything
	foreign []string // heavy modules that only here may be imported
}{
	{"cmd/engine", []string{"*"}, []string{"github.com/spf13/cobra"}},
	{"engine/runtime", []string{"engine", "engine/internal/batch", "engine/point", "engine/diag", "engine/buffer", "engine/deadletter", "engine/expr", "dsl/graph"}, []string{"github.com/reugn/go-streams"}},
	{"engine/admin", []string{"engine", "engine/runtime", "engine/buffer", "engine/deadletter"}, []string{"github.com/prometheus/client_golang"}},
	{"engine/deadletter", []string{"engine", "engine/point"}, nil},
	{"engine/buffer", []string{"engine", "engine/point", "engine/watermark"}, []string{"github.com/cockroachdb/pebble"}},
	{"engine/expr", []string{"engine", "engine/point", "engine/diag"}, []string{"github.com/expr-lang/expr"}},
	{"engine/script", []string{"engine", "engine/point", "engine/diag", "engine/httpclient"}, []string{"github.com/dop251/goja"}},
	{"engine/embedded", []string{"engine/point"}, []string{"github.com/twmb/franz-go"}},
	{"engine/httpclient", []string{"engine"}, nil},
	{"engine/enginetest", []string{"*"}, nil},
	{"engine/internal/batch", []string{"engine/point"}, nil},
	{"engine/point", nil, nil},
	{"engine/diag", nil, nil},
	{"engine/watermark", nil, nil},
	{"engine", []string{"engine/point", "engine/internal/batch"}, nil},
	{"sources/collectors", []string{"engine/script", "engine/httpclient"}, nil},
	{"sources", []string{"engine", "engine/point", "engine/watermark", "engine/expr", "engine/script", "engine/httpclient", "dsl/pipeline"}, []string{"github.com/twmb/franz-go", "go.opentelemetry.io/collector/pdata"}},
	{"operators", []string{"engine", "engine/point", "engine/expr", "engine/script", "engine/httpclient", "dsl/pipeline"}, nil},
	{"sinks", []string{"engine", "engine/point", "engine/expr", "engine/httpclient"}, []string{"github.com/twmb/franz-go", "go.opentelemetry.io/collector/pdata"}},
	{"dsl/graph", []string{"engine", "engine/point", "engine/diag"}, []string{"github.com/goccy/go-yaml"}},
	{"dsl/datakit", []string{"engine", "engine/point", "engine/diag"}, nil},
	{"dsl/pipeline", []string{"engine/point", "engine/diag"}, nil},
	{"bench", []string{"*"}, []string{"github.com/twmb/franz-go"}},
	{"test", []string{"*"}, []string{"github.com/twmb/franz-go"}},
	{"examples", []string{"*"}, nil},
}

// doors are the heavy modules that have one door each.
func doors() []string {
	var out []string
	for _, r := range rules {
		out = append(out, r.foreign...)
	}
	return out
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func below(pkg, prefix string) bool { return pkg == prefix || strings.HasPrefix(pkg, prefix+"/") }

// TestLayout holds every package to the table.
func TestLayout(t *testing.T) {
	list := packages(t)
	if len(list) < 10 {
		t.Fatalf("only %d packages found", len(list))
	}
	for _, p := range list {
		pkg, ok := strings.CutPrefix(p.ImportPath, "dataflow/")
		if !ok {
			continue
		}
		rule := -1
		for i, r := range rules {
			if below(pkg, r.pkg) && (rule < 0 || len(r.pkg) > len(rules[rule].pkg)) {
				rule = i
			}
		}
		if rule < 0 {
			t.Errorf("%s stands in no row of the table", pkg)
			continue
		}
		r := rules[rule]
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, "dataflow/"); ok {
				if !allowed(r.pkg, r.ours, ours) {
					t.Errorf("%s must not import %s", pkg, ours)
				}
				continue
			}
			for _, door := range doors() {
				if below(imp, door) && !slices.Contains(r.foreign, door) {
					t.Errorf("%s must not import %s: it has another door", pkg, imp)
				}
			}
		}
	}
}

func allowed(pkg string, ours []string, imp string) bool {
	if below(imp, pkg) && !strings.HasPrefix(pkg, "engine") {
		return true // a package and its own parts
	}
	if imp == "engine/diag" && ours != nil {
		return true // everybody may have positions; leaves have nothing of ours
	}
	for _, o := range ours {
		if o == "*" && !below(imp, "engine/enginetest") && !below(imp, "test") || o == imp {
			return true
		}
		if o == "*" && (below(pkg, "bench") || below(pkg, "test") || below(pkg, "engine/enginetest")) {
			return true
		}
		if o == "dsl/pipeline" && below(imp, o) {
			return true
		}
	}
	return imp == pkg
}

// TestContractIsSmall keeps the package that every component's author reads readable.
func TestContractIsSmall(t *testing.T) {
	out, err := exec.Command("sh", "-c", "cat engine/*.go | wc -l").Output()
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.TrimSpace(string(out)); len(lines) > 3 || lines > "800" {
		t.Errorf("package engine has %s lines, 800 are the limit", lines)
	}
}
