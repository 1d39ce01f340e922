package main

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// memoryLimit returns the limit of Go's runtime in bytes for a graph that allows allowed, where the container or
// control group allows container; zero is no limit. A container ends the process that takes more, so that a fifth of it is for
// what the runtime does not count: the program's text, the kernel's buffers, what is given back late.
func memoryLimit(allowed, container int64) int64 {
	if container <= 0 {
		return allowed
	}
	most := container / 5 * 4
	if allowed <= 0 {
		return most
	}
	return min(allowed, most)
}

// containerMemory returns how many bytes of memory the control groups of this process allow, zero for no limit or none that is
// known. Root is the root of the file system; versions 1 and 2 of control groups are understood, and groups above that allow less.
func containerMemory(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount, name := "sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			if !strings.Contains(","+fields[1]+",", ",memory,") {
				continue
			}
			mount, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			if n, ok := readLimit(root, path.Join(mount, at, name)); ok {
				least = min(least, n)
			}
			if at == "/" {
				break
			}
		}
	}
	if least > math.MaxInt64/2 { // version 1 says so for none
		return 0
	}
	return least
}

// readLimit reads a file with a number or "max".
func readLimit(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil && n > 0
}
