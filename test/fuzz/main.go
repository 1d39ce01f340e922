// The command fuzz runs every fuzz target of the module, one after the other, each for a time.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	each := flag.Duration("time", 10*time.Minute, "time for each target")
	match := flag.String("run", "", "run the targets whose name contains this")
	flag.Parse()
	os.Exit(run(*each, *match))
}

func run(each time.Duration, match string) int {
	out, err := exec.Command("go", "list", "./...").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "listing packages:", err)
		return 1
	}
	ran, failed := 0, 0
	for _, pkg := range strings.Fields(string(out)) {
		list, err := exec.Command("go", "test", "-list", "^Fuzz", pkg).Output()
		if err != nil {
			fmt.Fprintf(os.Stderr, "listing the targets of %s: %v\n", pkg, err)
			return 1
		}
		for _, target := range strings.Fields(string(list)) {
			if !strings.HasPrefix(target, "Fuzz") || !strings.Contains(target, match) {
				continue
			}
			ran++
			fmt.Printf("%s %s\n", pkg, target)
			cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+target+"$", "-fuzztime", each.String(), pkg)
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			if err := cmd.Run(); err != nil {
				failed++
				fmt.Printf("%s %s FAILED: %v\n", pkg, target, err)
			}
		}
	}
	fmt.Printf("%d targets, %d failed\n", ran, failed)
	if ran == 0 || failed > 0 {
		return 1
	}
	return 0
}
