package edges

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asClient makes this test program ask an address once, from wherever it was started.
const asClient = "ENGINE_EDGES_CLIENT"

// Exit codes of a client.
const (
	served  = 0
	refused = 4 // by the source: 403
	nothing = 5 // no answer
)

// reach asks what is served at an address.
func reach(address string) int {
	client := http.Client{Timeout: 3 * time.Second}
	resp, err := client.Post("http://"+address+"/v1/write/metric", "", strings.NewReader("m f=1i"))
	if err != nil {
		fmt.Println(err)
		return nothing
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return served
	case http.StatusForbidden:
		return refused
	}
	fmt.Println(resp.Status)
	return 1
}

const (
	containersHost, containersPeer, containersNet = "172.31.253.1", "172.31.253.2", "172.31.253.0/24"
	othersHost, othersPeer                        = "172.31.254.1", "172.31.254.2"
	othersHost6, othersPeer6                      = "fd31:254::1", "fd31:254::2"
)

// networks makes two network namespaces, one in the place of docker0 and one in that of another machine. It reports false, and why, where that is not possible.
func networks(t *testing.T) bool {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Logf("network namespaces need the command ip and the right to make them: %v, user %d; only the machine itself is asked from", err, os.Getuid())
		return false
	}
	name := func(kind string) string { return fmt.Sprintf("e%s%d", kind, os.Getpid()%100_000) }
	do := func(args ...string) error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	}
	for _, x := range []struct{ kind, host, peer, host6, peer6 string }{
		{"c", containersHost, containersPeer, "", ""}, {"o", othersHost, othersPeer, othersHost6, othersPeer6},
	} {
		ns, here, there := name(x.kind), name(x.kind+"h"), name(x.kind+"p")
		t.Cleanup(func() { _ = do("netns", "del", ns) }) // takes the link with it
		steps := [][]string{
			{"netns", "add", ns}, {"link", "add", here, "type", "veth", "peer", "name", there, "netns", ns},
			{"addr", "add", x.host + "/24", "dev", here}, {"link", "set", here, "up"},
			{"-n", ns, "addr", "add", x.peer + "/24", "dev", there}, {"-n", ns, "link", "set", there, "up"},
			{"-n", ns, "route", "add", "default", "via", x.host},
		}
		if x.host6 != "" {
			steps = append(steps, []string{"addr", "add", x.host6 + "/64", "dev", here, "nodad"}, []string{"-n", ns, "addr", "add", x.peer6 + "/64", "dev", there, "nodad"})
		}
		for _, s := range steps {
			if err := do(s...); err != nil {
				t.Logf("no network namespaces, only the machine itself is asked from: %v", err)
				return false
			}
		}
	}
	return true
}

// ask asks an address from a namespace, or from the machine itself.
func ask(t *testing.T, kind, address string) int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	if kind != "" {
		cmd = exec.Command("ip", "netns", "exec", fmt.Sprintf("e%s%d", kind, os.Getpid()%100_000), exe)
	}
	cmd.Env = append(os.Environ(), asClient+"="+address)
	var exit *exec.ExitError
	if out, err := cmd.CombinedOutput(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, out)
	}
	return cmd.ProcessState.ExitCode()
}

// TestReachability is the table of docs/guide/http.md: who reaches which address. A bridge stands for docker0, a namespace behind
// another link for another machine.
func TestReachability(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	separate := networks(t)
	v6 := true
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Logf("no IPv6 on this machine: %v", err)
		v6 = false
	} else {
		l.Close()
	}
	const self, container, other = "", "c", "o"
	type question struct {
		from, at string
		want     int
	}
	for _, x := range []struct {
		listen, row string // as the guide has it: the row must stand there
		bridged     bool   // needs the bridge, v6 IPv6
		v6          bool
		allow       string
		ask         []question
	}{
		{"127.0.0.1:9529", "| `127.0.0.1:9529` | at 127.0.0.1 | no | no | nothing |", false, false, "", []question{
			{self, "127.0.0.1", served}, {self, "[::1]", nothing}, {self, containersHost, nothing}, {container, containersHost, nothing}, {other, othersHost, nothing}}},
		{"[::1]:9529", "| `\"[::1]:9529\"` | at ::1 | no | no | nothing |", false, true, "", []question{
			{self, "[::1]", served}, {self, "127.0.0.1", nothing}, {container, containersHost, nothing}, {other, "[" + othersHost6 + "]", nothing}}},
		{"172.17.0.1:9529", "| `172.17.0.1:9529` | at 172.17.0.1 | at 172.17.0.1 | no | `allow: [172.17.0.0/16]` |", true, false, containersNet, []question{
			{self, "127.0.0.1", nothing}, {self, containersHost, served}, {container, containersHost, served}, {other, othersHost, nothing}, {other, containersHost, refused}}},
		{"0.0.0.0:9529", "| `0.0.0.0:9529` | at 127.0.0.1 and its other addresses | at 172.17.0.1 | at its address, by IPv4 |", false, false, containersNet + `, 127.0.0.0/8, ` + othersPeer, []question{
			{self, "127.0.0.1", served}, {self, "[::1]", nothing}, {container, containersHost, served}, {other, othersHost, served}, {other, "[" + othersHost6 + "]", nothing}}},
		{"0.0.0.0:9529", "a client from elsewhere gets 403", false, false, containersNet, []question{
			{self, "127.0.0.1", served}, {container, containersHost, served}, {other, othersHost, refused}}},
		{"[::]:9529", "| `\"[::]:9529\"` | at all of its addresses | at 172.17.0.1 | at its address, by IPv4 and IPv6 | the same |", false, true, containersNet + `, ` + othersPeer + `, "fd31:254::/64"`, []question{
			{self, "127.0.0.1", served}, {self, "[::1]", served}, {container, containersHost, served}, {other, othersHost, served}, {other, "[" + othersHost6 + "]", served}}},
	} {
		if !strings.Contains(string(page), x.row) {
			t.Errorf("the guide has no %s", x.row)
		}
		if x.v6 && !v6 || x.bridged && !separate {
			continue
		}
		address := strings.NewReplacer("172.17.0.1", containersHost, "9529", port).Replace(x.listen)
		options := fmt.Sprintf("listen: %q", address)
		if x.allow != "" {
			options += ", allow: [" + x.allow + "]"
		}
		p := serve(t, graphOf(options))
		for _, q := range x.ask {
			if !separate && (q.from != self || q.at == containersHost) || strings.Contains(q.at, "::") && !v6 {
				continue
			}
			if got := ask(t, q.from, q.at+":"+port); got != q.want {
				t.Errorf("%s, allow %q: from %q at %s: %d, want %d", x.listen, x.allow, q.from, q.at, got, q.want)
			}
		}
		_ = p.Process.Signal(os.Interrupt)
		<-p.ended
	}
}
