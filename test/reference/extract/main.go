// The command extract takes the results that the page on the Pipeline language states into the table of package reference.
//
//	go run ./test/reference/extract pipeline-language.md
package main

import (
	"fmt"
	"os"

	"dataflow/test/reference"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: extract PAGE")
	}
	page, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	entries := reference.Extract(string(page))
	fmt.Printf("%d entries\n", len(entries))
	return os.WriteFile("test/reference/testdata/reference.tsv", []byte(reference.Format(entries)), 0o644)
}
