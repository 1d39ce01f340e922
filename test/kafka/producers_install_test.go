package kafka

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The versions of clients that are installed; kcat is the distribution's, sarama's stands in testdata/producers/sarama/go.mod.
var (
	pythonPackages = []string{"kafka-python==3.0.12", "python-snappy==0.7.3", "lz4==4.4.5", "zstandard==0.25.0"}
	nodePackages   = []string{"kafkajs@2.2.4", "kafkajs-snappy@1.1.0", "lz4-napi@2.10.0", "zstd-codec@0.1.5"}
)

// cached returns a folder of the user's cache that make has filled once. Two test runs may fill it at once.
func cached(t *testing.T, name string, fill func(dir string) error) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	parent := filepath.Join(cache, "dataflow-test")
	dir := filepath.Join(parent, name)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(parent, name+".")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp); err != nil {
		t.Fatalf("installing %s: %v", name, err)
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, gone := os.Stat(dir); gone != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run runs a command for at most as long as an installation may take.
func run(t *testing.T, dir, name string, args ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}

// tool returns the path of a command. What is missing is installed as a package of Debian.
func tool(t *testing.T, name string, debs ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if err := run(t, "", "apt-get", "update", "-qq"); err != nil {
		t.Fatal(err)
	}
	if err := run(t, "", "apt-get", append([]string{"install", "-y", "-qq", "--no-install-recommends"}, debs...)...); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// python returns the path of a Python of its own that has kafka-python and the codecs that it takes from other packages.
func python(t *testing.T) string {
	t.Helper()
	dir := cached(t, "kafka-python-3.0.12", func(dir string) error {
		system := tool(t, "python3", "python3", "python3-venv")
		if err := run(t, dir, system, "-m", "venv", dir); err != nil {
			return err
		}
		return run(t, dir, filepath.Join(dir, "bin", "python"), append([]string{"-m", "pip", "install", "-q", "--disable-pip-version-check"}, pythonPackages...)...)
	})
	return filepath.Join(dir, "bin", "python")
}

// nodeModules returns a folder with kafkajs and its codecs.
func nodeModules(t *testing.T) string {
	t.Helper()
	dir := cached(t, "kafkajs-2.2.4", func(dir string) error {
		npm := tool(t, "npm", "nodejs", "npm")
		return run(t, dir, npm, append([]string{"install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir}, nodePackages...)...)
	})
	return filepath.Join(dir, "node_modules")
}

// saramaProducer returns the path of the program of testdata/producers/sarama, which is a module of its own.
func saramaProducer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "producer")
	if err := run(t, filepath.Join("testdata", "producers", "sarama"), "go", "build", "-buildvcs=false", "-o", path, "."); err != nil {
		t.Fatal(err)
	}
	return path
}
