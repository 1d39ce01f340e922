package evidence

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dataflow/bench"
	"dataflow/test/harness"
)

// stages are parts of the work, by the functions below which their samples lie in the engine and in the hand-written loop.
var stages = []struct{ name, engine, floor string }{
	{"Kafka client", "franz-go", "franz-go"},
	{"messages to points", "sources.*kafkaPort", ""},
	{"script, or JSON by hand", "operators.*pipelineWorker", "gjson"},
	{"lines and compression, or all by hand", "sinks.*dataway..Encode", "floor..post"},
	{"compression", "klauspost/compress/(flate|gzip)", "klauspost/compress/(flate|gzip)"},
	{"HTTP", "net/http", "net/http"},
	{"collector", "runtime.gc|runtime.bgsweep|runtime.bgscavenge", "runtime.gc|runtime.bgsweep|runtime.bgscavenge"},
}

// Profile shows where the CPU of a graph goes that reads count messages of a topic: of the engine by node, and by what is called, beside
// that of the hand-written loop.
func (s *Show) Profile(a bench.StandInAddresses, graph, topic string, count int) error {
	dir, err := os.MkdirTemp("", "engine-profile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	engine, floor := filepath.Join(dir, "engine.prof"), filepath.Join(dir, "floor.prof")
	cmd := harness.Command(s.Binary, graph, a, "--until-idle", "1s", "--set", "mq.group=profile", "--cpuprofile", engine)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("profiling the engine: %w\n%s", err, out)
	}
	cmd = exec.Command(s.Binary, "bench", "floor", "--kafka", a.Kafka, "--topic", topic, "--count", fmt.Sprint(count), "--group", "profile-floor", "--dataway", a.DataWay, "--cpuprofile", floor)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("profiling the floor: %w\n%s", err, out)
	}
	tags, err := exec.Command("go", "tool", "pprof", "-tags", s.Binary, engine).Output()
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	s.Printf("\nCPU of the engine by node (what has no node is the collector and the start):\n%s", strings.TrimRight(string(tags), "\n"))
	// Shares of the samples below a function; they overlap where one calls the other.
	s.Printf("%-38s %8s %8s", "share of the samples", "engine", "floor")
	for _, stage := range stages {
		s.Printf("%-38s %8s %8s", stage.name, s.share(engine, stage.engine), s.share(floor, stage.floor))
	}
	return nil
}

// share returns the part of a profile's samples that have a function in their stack.
func (s *Show) share(profile, focus string) string {
	if focus == "" {
		return "-"
	}
	out, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-edgefraction=0", "-focus="+focus, s.Binary, profile).CombinedOutput()
	if err != nil {
		return "-"
	}
	// "Showing nodes accounting for 0.10s, 3.70% of 2.70s total": all nodes of the focus are shown.
	for _, l := range strings.Split(string(out), "\n") {
		if _, rest, ok := strings.Cut(l, "Showing nodes accounting for "); ok {
			if f := strings.Fields(rest); len(f) >= 2 {
				return f[1]
			}
		}
	}
	return "0%"
}
