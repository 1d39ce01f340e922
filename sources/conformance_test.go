package sources

import (
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
)

func TestGenerateConforms(t *testing.T) {
	for name, rate := range map[string]string{"flat out": "", "at a rate": "500/s"} {
		t.Run(name, func(t *testing.T) {
			enginetest.TestSource(t, func(t *testing.T) engine.Source {
				c := *engine.Lookup(engine.SourceNode, "generate").NewConfig().(*generateConfig)
				if rate != "" {
					c.Rate, _ = engine.ParseRate(rate)
				}
				s, err := newGenerate(enginetest.Env(), c)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func TestFileConforms(t *testing.T) {
	path := write(t, t.TempDir(), "x.log", "one\ntwo\nthree\n")
	enginetest.TestSource(t, func(t *testing.T) engine.Source {
		s, err := newFile(enginetest.Env(), fileConfig{Paths: []string{path}, Category: "logging", Decode: "json"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
