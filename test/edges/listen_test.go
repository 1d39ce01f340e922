package edges

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestListens: of the graphs that say nothing about who may come none listens on more than loopback, and those that do on what they say (guarantees E1).
func TestListens(t *testing.T) {
	if !hasProc(t) {
		return
	}
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir)
	secure := fmt.Sprintf("tls: {cert: %q, key: %q}, tokens: [tok_0123456789abcdef]", cert, key)
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, options string
		want          string // the host that it listens on; "" is none
	}{
		{"nothing said", "", "127.0.0.1"}, // its own port
		{"127.0.0.1", `listen: "127.0.0.1:PORT"`, "127.0.0.1"},
		{"localhost", `listen: "localhost:PORT"`, "loopback"},
		{"::1", `listen: "[::1]:PORT"`, "::1"},
		{"loopback with tokens", `listen: "127.0.0.1:PORT", tokens: [tok_0123456789abcdef]`, "127.0.0.1"},
		{"loopback, insecure", `listen: "127.0.0.1:PORT", insecure: true`, "127.0.0.1"},
		{"a socket in the file system", `listen: "unix:` + filepath.Join(dir, "s") + `"`, ""},
		{"all of IPv4 with networks", `listen: "0.0.0.0:PORT", allow: [172.17.0.0/16]`, "0.0.0.0"},
		{"all with networks", `listen: "[::]:PORT", allow: ["fd00::/8"]`, "::"},
		{"all with TLS and tokens", `listen: "0.0.0.0:PORT", ` + secure, "0.0.0.0"},
		{"all, insecure", `listen: "0.0.0.0:PORT", insecure: true`, "0.0.0.0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			options := strings.ReplaceAll(x.options, "PORT", port)
			if options == "" {
				l, err := net.Listen("tcp", "127.0.0.1:9529")
				if err != nil {
					t.Logf("the port of the default is in use on this machine: %v", err)
					return
				}
				l.Close()
				options = "max_points: 1000"
			}
			p := serve(t, graphOf(options))
			got, err := listeners(p.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			if x.want == "" {
				if len(got) != 0 {
					t.Errorf("listens on %v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("listens on %v, want one", got)
			}
			if a := got[0].Addr(); x.want == "loopback" && !a.IsLoopback() || x.want != "loopback" && a != netip.MustParseAddr(x.want) {
				t.Errorf("listens on %v, want %s", got[0], x.want)
			}
		})
	}
}

// TestExamplesListen: no example listens on more than loopback at any time, the stand-ins of --embedded included.
func TestExamplesListen(t *testing.T) {
	if !hasProc(t) {
		return
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	graphs, err := filepath.Glob(filepath.Join(dir, "*", "graph.yaml"))
	if err != nil || len(graphs) < 4 {
		t.Fatalf("%d examples, %v", len(graphs), err)
	}
	var found atomic.Int64
	t.Cleanup(func() {
		if found.Load() == 0 {
			t.Error("not even the admin server was seen")
		}
	})
	for _, g := range graphs {
		t.Run(filepath.Base(filepath.Dir(g)), func(t *testing.T) {
			t.Parallel()
			p := run(t, dir, "run", "--embedded", "--until-idle", "1s", "--log-level", "error", "--admin", "127.0.0.1:0", g)
			look := time.NewTicker(5 * time.Millisecond)
			defer look.Stop()
			for {
				select {
				case <-p.ended:
					return
				case <-look.C:
				}
				got, err := listeners(p.Process.Pid)
				if err != nil {
					continue // it is about to end
				}
				for _, a := range got {
					found.Add(1)
					if !a.Addr().IsLoopback() {
						t.Fatalf("listens on %v", a)
					}
				}
			}
		})
	}
}

// TestRefusesToStart is the table of what does not start: it ends with 3, names the place in the graph, and nothing has listened.
func TestRefusesToStart(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir)
	tls := fmt.Sprintf("tls: {cert: %q, key: %q}", cert, key)
	const token, open = "tokens: [tok_0123456789abcdef]", `listen: "0.0.0.0:PORT"`
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ options, says string }{
		{open, "listen: "},
		{`listen: "[::]:PORT"`, "listen: "},
		{`listen: ":PORT"`, "listen: "},
		{`listen: "0:PORT"`, "listen: "},
		{`listen: "[::ffff:0.0.0.0]:PORT"`, "listen: "},
		{`listen: "192.0.2.7:PORT"`, "listen: "},
		{`listen: "169.254.0.1:PORT"`, "listen: "},
		{`listen: "[fe80::1]:PORT"`, "listen: "},
		{`listen: "engine.example:PORT"`, "listen: "},
		{`listen: "localhost.example:PORT"`, "listen: "},
		{open + ", " + tls, "listen: "},
		{open + ", " + token, "listen: "},
		{open + ", allow: []", "listen: "},
		{open + ", insecure: false", "listen: "},
		{open + ", tokens: []," + tls, "listen: "},
		{open + ", allow: [everybody]", "allow: "},
		{open + `, allow: ["::ffff:10.0.0.0/104"]`, "allow: "},
		{open + ", tls: {cert: " + cert + "}, " + token, "tls: "},
		{open + ", tls: {client_ca: " + cert + "}, " + token, "tls.client_ca: "},
		{open + ", " + tls + ", tokens: [short]", "tokens: "},
		{`listen: "127.0.0.1"`, "listen: "},
		{`listen: "127.0.0.1:http"`, "listen: "},
		{`listen: "127.0.0.1:99999"`, "listen: "},
		{`listen: "unix:"`, "listen: "},
	} {
		options := strings.ReplaceAll(x.options, "PORT", port)
		folder := t.TempDir()
		write(t, folder, "graph.yaml", graphOf(options))
		p := run(t, folder, "run", "graph.yaml")
		var seen []netip.AddrPort
		for ended := false; !ended; {
			select {
			case <-p.ended:
				ended = true
			case <-time.After(2 * time.Millisecond):
				got, _ := listeners(p.Process.Pid) // where there is no /proc none is seen
				seen = append(seen, got...)
			}
		}
		at := regexp.MustCompile(`(?m)^graph\.yaml:5:\d+: error: ` + regexp.QuoteMeta(x.says))
		if code := p.ProcessState.ExitCode(); code != 3 || !at.MatchString(p.said()) || len(seen) > 0 {
			t.Errorf("%s: exit code %d, listened on %v\n%s", options, code, seen, p.said())
		}
	}
	folder := t.TempDir()
	write(t, folder, "graph.yaml", graphOf(`listen: "127.0.0.1:0"`))
	p := run(t, folder, "run", "--admin", "0.0.0.0:"+port, "graph.yaml")
	<-p.ended
	if code := p.ProcessState.ExitCode(); code != 3 || !strings.Contains(p.said(), "loopback") {
		t.Errorf("the admin server on all addresses: exit code %d\n%s", code, p.said())
	}
}
