package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// apiAddress is where the graphs of pages and examples serve. Tests put a free one in its place.
const apiAddress = "127.0.0.1:9529"

func freeAddress(t *testing.T) string {
	t.Helper()
	const lowest, highest = 15_000, 20_000
	first := int64(os.Getpid())
	for range 100 {
		port := lowest + (first+tried.Add(1))%(highest-lowest)
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			l.Close()
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

// tried counts the ports that tests have looked at: no two get the same one.
var tried atomic.Int64

// served runs a graph that serves at apiAddress while use runs, which gets the address that it serves at instead, and
// stops it as a user does.
func served(t *testing.T, dir, graph string, use func(address string), args ...string) result {
	t.Helper()
	address := freeAddress(t)
	src, err := os.ReadFile(graph)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(graph, bytes.ReplaceAll(src, []byte(apiAddress), []byte(address)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	cmd := command(t.Context(), t, dir, nil, args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(30 * time.Second); ; <-tick.C {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(limit) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("it does not serve: %v\n%s", err, stderr.String())
		}
	}
	use(address)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait() // its exit code is part of the result
	return result{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// curl does what a line with curl says, as far as the pages use it, at another address, and returns what curl -i prints without the
// headers: the line of the status, and the body.
func curl(t *testing.T, dir, line, address string) string {
	t.Helper()
	args := words(strings.ReplaceAll(line, apiAddress, address))
	if len(args) < 2 || args[0] != "curl" {
		t.Fatalf("%q is no curl", line)
	}
	method, url, header := http.MethodGet, "", http.Header{}
	var body []byte
	for i := 1; i < len(args); i++ {
		value := func() string {
			i++
			if i == len(args) {
				t.Fatalf("%s: a value is missing", line)
			}
			return args[i]
		}
		switch a := args[i]; a {
		case "-i":
		case "-X":
			method = value()
		case "-H":
			name, text, _ := strings.Cut(value(), ": ")
			header.Set(name, text)
		case "--data-binary":
			v := value()
			body = []byte(v)
			if file, ok := strings.CutPrefix(v, "@"); ok {
				var err error
				if body, err = os.ReadFile(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
			}
			method = http.MethodPost
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl does
			}
		default:
			if strings.HasPrefix(a, "-") || url != "" {
				t.Fatalf("%s: %q is more than this test knows of curl", line, a)
			}
			url = a
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s\n%s", resp.Proto, resp.Status, text)
}

// differs are the parts of an answer that are of one machine and moment.
var differs = regexp.MustCompile(`"(version|uptime|host|commit|cost)":"[^"]*"|"time":\d+,"time_ns":\d+`)

// TestGuideCurls runs the calls of the HTTP guide against its graph, with stand-ins, and holds the answers to what the page shows.
func TestGuideCurls(t *testing.T) {
	t.Parallel()
	page := filepath.Join("docs", "guide", "http.md")
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all := blocks(string(text))
	for _, b := range all {
		if b.file != "" {
			if err := os.WriteFile(filepath.Join(dir, b.file), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	calls := 0
	settle := func(s string) string { return strings.TrimSpace(differs.ReplaceAllString(s, `"$1":"<differs>"`)) }
	r := served(t, dir, filepath.Join(dir, "api.yaml"), func(address string) {
		for _, b := range all {
			if b.lang != "text" {
				continue
			}
			for _, part := range strings.Split("\n"+b.text, "\n$ ")[1:] {
				line, want, _ := strings.Cut(part, "\n")
				calls++
				if got := curl(t, dir, line, address); settle(got) != settle(want) {
					t.Errorf("%s:%d: $ %s\ngot\n%s\nwant\n%s", page, b.line, line, got, want)
				}
			}
		}
	}, "run", "--embedded", "--log-level", "error", "api.yaml")
	if r.code != 0 || r.stderr != "" || calls < 5 {
		t.Errorf("%d calls, exit code %d\n%s", calls, r.code, r.stderr)
	}
	if want := "cpu,host=web-1 usage=12.5 1700000000000000000\n"; !strings.Contains(r.out, want) {
		t.Errorf("the DataWay got\n%s\nwithout\n%s", r.out, want)
	}
}
