package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dataflow/bench"
	"dataflow/test/harness"
)

// profile shows where the CPU of job (b) goes: of the engine by node, and by what is called, beside the floor.
func (s show) profile(stand *bench.StandIn, graph string, count int) error {
	dir, err := os.MkdirTemp("", "engine-profile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	engine, floor := filepath.Join(dir, "engine.prof"), filepath.Join(dir, "floor.prof")
	cmd := harness.Command(s.Binary, graph, stand.StandInAddresses, "--until-idle", "1s", "--set", "mq.group=profile", "--cpuprofile", engine)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("profiling the engine: %w\n%s", err, out)
	}
	cmd = exec.Command(s.Binary, "bench", "floor", "--kafka", stand.Kafka, "--count", fmt.Sprint(count), "--group", "profile-floor", "--dataway", stand.DataWay, "--cpuprofile", floor)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("profiling the floor: %w\n%s", err, out)
	}
	tags, err := exec.Command("go", "tool", "pprof", "-tags", s.Binary, engine).Output()
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	s.Printf("\nCPU of the engine by node (what has no node is the collector and the start):\n%s", strings.TrimRight(string(tags), "\n"))
	// Shares of the samples below a function; they overlap where one calls the other.
	s.Printf("%-34s %8s %8s", "share of the samples", "engine", "floor")
	for _, stage := range []struct{ name, engine, floor string }{
		{"Kafka client", "franz-go", "franz-go"},
		{"messages to points", "sources.*kafkaPort", ""},
		{"script, or JSON by hand", "operators.*pipelineWorker", "gjson"},
		{"lines and compression, or all by hand", "sinks.*dataway..Encode", "floor..post"},
		{"compression", "klauspost/compress/.*Writer", "klauspost/compress/.*Writer"},
		{"HTTP", "net/http", "net/http"},
		{"collector", "runtime.gc|runtime.bgsweep|runtime.bgscavenge", "runtime.gc|runtime.bgsweep|runtime.bgscavenge"},
	} {
		s.Printf("%-34s %8s %8s", stage.name, s.share(engine, stage.engine), s.share(floor, stage.floor))
	}
	return nil
}

// share returns the part of a profile's samples that have a function in their stack.
func (s show) share(profile, focus string) string {
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

// benchmarks runs those of codecs and operators, each beside its floor.
func (s show) benchmarks() error {
	runs := s.Scale(5, 1)
	args := []string{"test", "./bench", "-run", "^$", "-bench", ".", "-count", fmt.Sprint(runs)}
	if s.Short {
		args = append(args, "-benchtime", "100ms")
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("running the benchmarks: %w\n%s", err, out)
	}
	medians := bench.Medians(string(out))
	s.Printf("\n(c) codecs and (d) operators, medians of %d runs, ns for a point", runs)
	for _, m := range medians {
		s.Printf("%-44s %10.1f", m.Name, m.Value)
	}
	if len(medians) == 0 {
		return fmt.Errorf("no benchmark ran:\n%s", out)
	}
	return nil
}
