package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// tool returns the path of a command. What is missing is installed as the package of Debian that is named.
func tool(t *testing.T, name, deb string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	install(t, deb)
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func install(t *testing.T, deb string) {
	t.Helper()
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", deb}} {
		cmd := command(t, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("installing %s: %v\n%s", deb, err, out)
		}
	}
}

const requestsVersion = "2.32.3"

// pythonWithRequests returns the path of a Python of its own that has the library requests.
func pythonWithRequests(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "venv")
	python := tool(t, "python3", "python3")
	if err := command(t, python, "-m", "venv", folder).Run(); err != nil {
		install(t, "python3-venv") // Debian has it apart
		run(t, command(t, python, "-m", "venv", "--clear", folder))
	}
	python = filepath.Join(folder, "bin", "python")
	run(t, command(t, python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "requests=="+requestsVersion))
	return python
}

const telegrafVersion = "v1.37.2"

// telegraf returns the path of a Telegraf with what the test needs. It is built once for each user.
func telegraf(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "engine-clients", "telegraf-"+telegrafVersion)
	path := filepath.Join(folder, "telegraf")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	begin := time.Now()
	cmd := exec.CommandContext(t.Context(), "go", "install", "-tags", "custom,inputs.file,outputs.http,parsers.influx,serializers.influx",
		"github.com/influxdata/telegraf/cmd/telegraf@"+telegrafVersion)
	cmd.Dir = t.TempDir() // outside of this module
	cmd.Env = append(os.Environ(), "GOBIN="+folder, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building Telegraf: %v\n%s", err, out)
	}
	t.Logf("built in %v", time.Since(begin).Round(time.Second))
	return path
}
