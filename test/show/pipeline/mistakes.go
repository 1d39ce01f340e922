package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

const mistakesGraph = `version: 1
name: mistakes
sources:
  in: {type: generate, count: 1}
operators:
  metric: {type: pipeline, from: in, script: metric.p}
sinks:
  out: {type: stdout, from: metric}
`

// The script of DataKit's Kafka page with its mistake (sttr) and four more.
const mistakesScript = `data = lod_json(message)
hostip = data["dimensions"]["ip"]
cast(bkzid, "sttr")
set_tag(hostip, data["ip"])
grok(_, "%{NUMBR:cpu} %{GREEDYDATA:rest}")
json(_, metrics.cpu, nwkey=cpu)
`

// mistakes validates a graph whose script has five mistakes.
func (s show) mistakes() error {
	graph, remove, err := s.Folder("graph.yaml", mistakesGraph, "metric.p", mistakesScript)
	if err != nil {
		return err
	}
	defer remove()
	cmd := exec.Command(s.Binary, "validate", "graph.yaml")
	cmd.Dir = strings.TrimSuffix(graph, "/graph.yaml")
	out, err := cmd.CombinedOutput()
	text := strings.TrimRight(string(out), "\n")
	s.Printf("$ engine validate graph.yaml\n%s", text)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		return fmt.Errorf("the exit code is not 3: %w", err)
	}
	lines := strings.Split(text, "\n")
	script := strings.Split(mistakesScript, "\n")
	found := 0
	for i, l := range lines {
		if !strings.Contains(l, ": error: ") {
			continue
		}
		found++
		var line, col int
		if _, err := fmt.Sscanf(l, "metric.p:%d:%d:", &line, &col); err != nil {
			return fmt.Errorf("%q has no position: %w", l, err)
		}
		if i+2 >= len(lines) || !strings.HasSuffix(lines[i+1], script[line-1]) {
			return fmt.Errorf("%q does not show its line", l)
		}
		if caret := strings.Index(lines[i+2], "^"); caret != strings.Index(lines[i+1], "| ")+1+col {
			return fmt.Errorf("the caret of %q stands at %d", l, caret)
		}
	}
	for _, want := range []string{
		"metric.p:1:8: error: ", `did you mean "load_json"?`, "metric.p:3:13: error: ", "the types are bool, int, float, str", `did you mean "str"?`, "metric.p:4:17: error: ",
		"assign it to a variable first", "metric.p:5:9: error: ",
		`did you mean "NUMBER"?`, "metric.p:6:22: error: ", `did you mean "newkey"?`,
	} {
		if !strings.Contains(text, want) {
			return fmt.Errorf("nothing says %q", want)
		}
	}
	if found != 5 {
		return fmt.Errorf("%d messages", found)
	}
	return nil
}
