package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine/buffer"
	"dataflow/engine/runtime"
)

func bufferVerifyCommand(s streams) *cobra.Command {
	var f bufferFlags
	c := &cobra.Command{
		Use: "verify graph.yaml", Short: "Read every frame of the disk buffers and check its checksum; exit code 7 if something is damaged", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return f.look(s, args[0], func(g *graph.Graph, v *buffer.View) error { return verify(s, g, v) })
		},
	}
	f.add(c)
	return c
}

// verify prints what each lane holds, and every place that is damaged.
func verify(s streams, g *graph.Graph, v *buffer.View) error {
	if err := sound(v); err != nil {
		return err
	}
	damaged := 0
	for _, fault := range v.Faults() {
		damaged++
		fmt.Fprintf(s.out, "damaged: %v\n", fault)
	}
	var whole content
	for _, l := range v.Lanes() {
		var c content
		err := v.Walk(l, func(x buffer.Item) bool {
			c.add(x)
			if x.Fault != nil {
				damaged++
				fmt.Fprintf(s.out, "damaged: %s\n", faulty(l, x))
			}
			return true
		})
		if err != nil {
			return walked(err)
		}
		fmt.Fprintf(s.out, "%s, lane %s: %s\n", l.Buffer, laneText(l.Lane), c.String())
		whole.join(c)
	}
	if damaged > 0 {
		return &exitError{runtime.ExitRepair, fmt.Errorf("%s: %s, %s lost; what can be read is delivered all the same",
			storeDir(g), amount(int64(damaged), "damaged place", "damaged places"), amount(whole.Lost, "point", "points"))}
	}
	fmt.Fprintf(s.out, "%s: sound: %s\n", storeDir(g), whole.String())
	return nil
}
