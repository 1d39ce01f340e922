package main

import (
	"testing"
	"testing/fstest"
)

// TestContainerMemory reads the files of both versions of control groups.
func TestContainerMemory(t *testing.T) {
	for name, x := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no control groups": {map[string]string{}, 0},
		"version 2, in a container": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20},
		"version 2, no limit": {map[string]string{"proc/self/cgroup": "0::/a.slice/b\n", "sys/fs/cgroup/a.slice/b/memory.max": "max\n"}, 0},
		"version 2, the group above allows less": {map[string]string{
			"proc/self/cgroup": "0::/a.slice/b\n", "sys/fs/cgroup/a.slice/b/memory.max": "1073741824\n", "sys/fs/cgroup/a.slice/memory.max": "268435456\n",
		}, 256 << 20},
		"version 1, beside version 2 without a limit": {map[string]string{
			"proc/self/cgroup": "12:cpu,cpuacct:/x\n5:memory:/docker/1\n0::/\n", "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "134217728\n",
		}, 128 << 20},
		"version 1, a container that does not see its path": {map[string]string{
			"proc/self/cgroup": "5:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n",
		}, 128 << 20},
		"version 1, no limit": {map[string]string{
			"proc/self/cgroup": "5:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"nonsense": {map[string]string{"proc/self/cgroup": "x\n0::/../../y\n", "sys/fs/cgroup/y/memory.max": "-3\n"}, 0},
	} {
		root := fstest.MapFS{}
		for name, text := range x.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := containerMemory(root); got != x.want {
			t.Errorf("%s: %d bytes, want %d", name, got, x.want)
		}
	}
}

// TestMemoryLimit takes the smaller of what graph and container allow.
func TestMemoryLimit(t *testing.T) {
	for _, x := range []struct{ allowed, container, want int64 }{
		{500 << 20, 0, 500 << 20}, {500 << 20, 250 << 20, 200 << 20}, {500 << 20, 1 << 30, 500 << 20}, {500 << 20, 600 << 20, 480 << 20}, {0, 250 << 20, 200 << 20}, {0, 0, 0},
	} {
		if got := memoryLimit(x.allowed, x.container); got != x.want {
			t.Errorf("memoryLimit(%d, %d) = %d, want %d", x.allowed, x.container, got, x.want)
		}
	}
}
