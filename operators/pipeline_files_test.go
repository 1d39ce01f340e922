package operators

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dataflow/engine/point"
)

// TestPipelineLogsFiles: the log says which texts run, those that are used included, and which of them everybody may write.
func TestPipelineLogsFiles(t *testing.T) {
	x := newBench(t, "x.p", "use(\"y.p\")", "y.p", "add_key(y, 1)", "other.p", "")
	if err := os.Chmod(filepath.Join(x.dir, "y.p"), 0o666); err != nil {
		t.Fatal(err)
	}
	x.feed(point.Metric, "a n=1")
	x.run("script: x.p")
	one, two := sha256.Sum256([]byte("use(\"y.p\")")), sha256.Sum256([]byte("add_key(y, 1)"))
	want := fmt.Sprintf("level=INFO msg=\"scripts loaded\" node=p files=2 sha256=%x\n", sha256.Sum256(append(one[:], two[:]...)))
	if log := x.log.String(); !strings.Contains(log, want) || strings.Count(log, "everybody may write this script") != 1 || !strings.Contains(log, "file="+filepath.Join(x.dir, "y.p")) {
		t.Errorf("the log is\n%s\nwant\n%s", log, want)
	}
}
