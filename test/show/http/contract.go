package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// writeVectors holds the source and the codecs to what DataKit was seen to do.
func (s show) writeVectors() error {
	if err := s.Tests("./sources", "./engine/point", "-run", "^(TestHTTPVectors|TestVectors)$", "-count=1", "-v"); err != nil {
		return err
	}
	return s.differences("W", "sources/http_test.go", "engine/point/vectors_test.go")
}

// datawayVectors holds the sink to the requests that DataKit was seen to send.
func (s show) datawayVectors() error {
	if err := s.Tests("./sinks", "-run", "^TestDataway.*Vector", "-count=1", "-v"); err != nil {
		return err
	}
	return s.differences("D")
}

// differences prints the rows of the page on differences for vectors of a letter, and holds the deviations that tests allow to that page. The
// tests list them as "W15": {...}.
func (s show) differences(letter string, tests ...string) error {
	const page = "docs/reference/differences.md"
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	said := map[string]bool{}
	for _, r := range regexp.MustCompile(`(?m)^\| (`+letter+`\d+) \| ([^|]*) \| ([^|]*) \|`).FindAllStringSubmatch(string(text), -1) {
		s.Printf("  %s: DataKit %s; engine: %s", r[1], r[2], r[3])
		said[r[1]] = true
	}
	s.Printf("%d rows of %s are of such vectors; the others come out as in DataKit", len(said), page)
	for _, file := range tests {
		code, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^\t"(`+letter+`\d+)": *\{`).FindAllStringSubmatch(string(code), -1) {
			if !said[m[1]] {
				return fmt.Errorf("%s deviates in %s and stands in no row of %s", m[1], file, page)
			}
		}
	}
	return nil
}

// tables runs all tests of the source over HTTP, and those of its handler's parts.
func (s show) tables() error {
	return s.Tests("./sources", "-run", "^TestHTTP", "-count=1", "-v")
}

// hostile lets DataWay do its worst.
func (s show) hostile() error {
	return s.Tests("./test/hostile", "-count=1", "-v", "-timeout", "30m")
}

// guarantees are the tests of sources and of test/edges that stand for each, by the beginnings of their names.
var guarantees = []struct{ name, what, tests string }{
	{"E1", "nothing listens outside loopback unless it is said", "HTTPReachable|HTTPListen|Listens|ExamplesListen|RefusesToStart|Reachability"},
	{"E2", "no request without a token reaches a parser", "HTTPAccess|HTTPTokenNotInURL|HTTPRandomHeaders"},
	{"E3", "client certificates; the server's is read again", "HTTPClientCertificates|HTTPCertificateReload"},
	{"E4", "TLS 1.2 at least", "HTTPTLSFloor"},
	{"E5", "decompression bombs", "HTTPBombs|Bombs"},
	{"E6", "parser bombs", "HTTPHostileBodies"},
	{"E7", "slow clients", "HTTPSlow|SlowClients"},
	{"E8", "smuggling", "HTTPSmuggling"},
	{"E9", "limits of each client", "HTTPPressure|HTTPConnections|Hog"},
	{"E10", "HTTP/2", "HTTP2Attacks"},
}

// guarantees runs the tests of each guarantee. One without a test fails.
func (s show) guarantees() error {
	var all []string
	for _, g := range guarantees {
		all = append(all, g.tests)
	}
	out, err := exec.Command("go", "test", "./sources", "./test/edges", "-run", "^Test("+strings.Join(all, "|")+")", "-count=1", "-v", "-timeout", "30m").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	var without []string
	for _, g := range guarantees {
		n := len(regexp.MustCompile(`(?m)^\s*--- PASS: Test(`+g.tests+`)`).FindAll(out, -1))
		s.Printf("%-4s %-52s %3d tests pass (%s)", g.name, g.what, n, g.tests)
		if n == 0 {
			without = append(without, g.name)
		}
	}
	if len(without) > 0 {
		return fmt.Errorf("no test stands for %s", strings.Join(without, ", "))
	}
	return nil
}

// seeds runs the seeds of the fuzz targets of what takes bytes from outside.
func (s show) seeds() error {
	packages := []string{"./sources", "./engine/point", "./engine/httpclient", "./sinks"}
	out, err := exec.Command("go", append([]string{"test", "-run", "^Fuzz", "-count=1", "-v"}, packages...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("seeds of the fuzz targets: %w\n%s", err, out)
	}
	targets := regexp.MustCompile(`(?m)^--- PASS: (Fuzz\w+)`).FindAllStringSubmatch(string(out), -1)
	var names []string
	for _, t := range targets {
		names = append(names, t[1])
	}
	s.Printf("%d targets: %s; make fuzz runs them with new inputs", len(names), strings.Join(names, " "))
	if len(names) == 0 {
		return fmt.Errorf("there are no fuzz targets")
	}
	return nil
}
