package main

import (
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/spf13/cobra"
)

// profiled adds a hidden flag that writes a CPU profile of the command; samples carry a label per node.
func profiled(c *cobra.Command) *cobra.Command {
	var path string
	c.Flags().StringVar(&path, "cpuprofile", "", "write a CPU profile to a `file`")
	_ = c.Flags().MarkHidden("cpuprofile")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if path == "" {
			return run(c, args)
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		defer pprof.StopCPUProfile()
		return run(c, args)
	}
	return c
}
