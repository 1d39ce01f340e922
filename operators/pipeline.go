package operators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/engine"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "pipeline",
		Summary: "runs DataKit Pipeline scripts on the points",
		Doc: `Scripts are compiled when the graph is loaded; errors in them refuse the start. After a run without an error the status
of a logging point is brought to its usual form, and a key ` + "`time`" + ` is removed and becomes the point's time if it is an int other
than 0. What ` + "`drop()`" + ` marks is dropped and counted; what ` + "`create_point`" + ` makes joins the output, and no script runs on it here.

A script that fails on a point leaves what it wrote before; with ` + "`on_error: pass`" + `, the default, the point goes on with the
fields ` + "`dk_error` and `dk_error_node`" + `. A script that uses up its ` + "`budget`" + ` fails with the reason ` + "`script_budget`" + `; the other points of
the batch do not notice.

With ` + "`script`" + ` one script runs on all points, or a lookup value names one for each topic, name or tag; ` + "`none` and `-`" + ` stand for no
script, and a point that the lookup has nothing for runs none. Scripts find others, for ` + "`use`" + `, in their folder and below it.
Links that lead out of a folder are refused, and so are scripts of more than 1 MiB. The log says at the start which texts run, by their hash.

With ` + "`dir`" + ` the choice is DataKit's. The folder holds scripts for logging, ` + "`*.p`" + `, and a folder for each other category, ` + "`metric/*.p`, `rum/*.p`" + ` and
so on; ` + "`logging/x.p`" + ` comes before ` + "`x.p`" + `, folders further down are not searched, and ` + "`pattern`" + ` holds files of grok patterns. A point
runs the script of its name with ` + "`.p`" + ` behind it. In place of the name stands ` + "`<app_id>_<name>`" + ` for RUM, the value of ` + "`category`" + ` for security, of
` + "`service`" + ` for tracing and profiling, of ` + "`df_source`" + ` for keyevent; a point without it runs none. ` + "`map`" + ` names another script for such a
key, ` + "`-`" + ` for none; an empty one counts as absent. Where the script is not in the folder the ` + "`default`" + ` of the category runs. ` + "`use`" + `
sees the scripts of its own category.

What scripts reach outside of their point is off unless it is configured: ` + "`http`, `refer_tables`, `geoip`" + `. Every second, and once more
at the end, what ` + "`agg_create`" + ` has gathered and is due leaves as created points. The state of scripts (` + "`agg_*`, `cache_*`, `point_window`" + `)
is kept by script in memory and is lost when the process ends: what went into an aggregation was acknowledged already.`,
		OnError: "pass",
		Examples: []engine.Example{
			{Title: "one script", Graph: "type: pipeline\nfrom: mq.metrics\nscript: metric.p\n"},
			{Title: "by topic", Graph: "type: pipeline\nfrom: mq.logs\nscript: {by: meta.topic, map: {log_topic: log.p, log: rum_apm.p}, default: none}\n"},
			{Title: "scripts by category and name, in the folder of the graph", Graph: "type: pipeline\nfrom: mq.logs\ndir: .\nmap: {nginx: access.p, healthz: \"-\"}\ndefault: {logging: other.p}\nignore_status: [debug]\n"},
			{Title: "tables and requests", Graph: "type: pipeline\nfrom: mq.logs\nscript: log.p\nbudget: {time: 200ms}\nrefer_tables: {url: \"https://tables.example.com/all.json\", interval: 1m}\nhttp: {hosts: [api.example.com, \"*.internal.example\"], cidrs: [10.1.0.0/16]}\n"},
		},
	}, pipelineConfig{
		StatusMapping: true,
		Budget:        budgetConfig{Time: time.Second, Steps: 10_000_000, Output: 64 << 20},
	}, newPipeline)
}

type pipelineConfig struct {
	Script        scripts           `yaml:"script" doc:"file of the script, or a lookup value of files; either script or dir is given"`
	Dir           scriptDir         `yaml:"dir" doc:"folder of scripts by category and name"`
	Map           scriptMap         `yaml:"map" doc:"with dir: the scripts of keys, for all categories ({nginx: x.p}) or by category ({logging: {nginx: x.p}}), which comes first; - is none"`
	Default       map[string]string `yaml:"default" doc:"with dir: by category, the script of points whose own one is not there"`
	Patterns      patternFiles      `yaml:"patterns" doc:"file of grok patterns, or a folder of them: a name and an expression a line, # begins a comment; a built-in pattern of the name wins, of several others the last"`
	Timezone      string            `yaml:"timezone" doc:"IANA zone of times that name none; the zone of the machine if empty"`
	StatusMapping bool              `yaml:"status_mapping" doc:"bring the status of logging points to its usual form"`
	IgnoreStatus  []string          `yaml:"ignore_status" doc:"logging points that have one of these statuses after their script are dropped"`
	Budget        budgetConfig      `yaml:"budget" doc:"what a script may use on a point"`
	HTTP          *httpConfig       `yaml:"http" doc:"lets http_request out, to hosts and cidrs; off unless it is given"`
	Tables        *tablesConfig     `yaml:"refer_tables" doc:"the tables of query_refer_table and mquery_refer_table: a JSON text from a URL or a file"`
	GeoIP         *geoConfig        `yaml:"geoip" doc:"what geoip looks addresses up in; read when the graph is loaded"`
}

type budgetConfig struct {
	Time   time.Duration `yaml:"time" doc:"of a run; with http, the timeout of a request is added"`
	Steps  int64         `yaml:"steps" doc:"rounds of loops; making long texts and lists costs steps, too"`
	Output engine.Size   `yaml:"output" doc:"bytes of the texts, lists and points that a run makes"`
}

// pipelineFactory holds the compiled scripts; each worker runs them with runners of its own.
type pipelineFactory struct {
	choice  choice
	scripts []*script // by their index
	ignored map[string]bool
	outside *outside
	counts  *scriptCounts
	now     func() time.Time
	lost    []pipeline.Lost // of each script, as the last tick found it
}

func newPipeline(env engine.Env, c pipelineConfig) (engine.Operator, error) {
	f := &pipelineFactory{counts: newScriptCounts(env), now: env.Now, ignored: ignoredStatuses(c)}
	o := pipeline.Options{
		Now: env.Now, Tags: env.Tags, NoStatusMapping: !c.StatusMapping,
		MaxDepth: env.Limits.Depth, MaxSteps: c.Budget.Steps, MaxTime: c.Budget.Time, MaxOutput: int64(c.Budget.Output),
	}
	var errs []error
	fail := func(option string, err error) {
		if err != nil {
			errs = append(errs, engine.FieldError(option, err))
		}
	}
	fail("budget", c.Budget.check())
	if c.Timezone != "" {
		zone, err := time.LoadLocation(c.Timezone)
		if err != nil {
			fail("timezone", fmt.Errorf("%q is no IANA zone", c.Timezone))
		}
		o.Location = zone
	}
	var err error
	if f.outside, err = newOutside(env, c); err != nil {
		errs = append(errs, err)
	} else if f.outside != nil {
		o.Host = f.outside
		if f.outside.fetch != nil {
			o.MaxTime += f.outside.timeout
		}
	}
	if f.choice, f.scripts, err = choose(env, c); err != nil {
		errs = append(errs, err)
	}
	f.lost = make([]pipeline.Lost, len(f.scripts))
	patterns := parsePatterns(append(append([]engine.File(nil), c.Dir.patterns...), c.Patterns.files...))
	if o.Patterns, err = patterns.check(); err != nil {
		errs = append(errs, err)
	} else if err := compileAll(f.scripts, o); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	logFiles(env, f.scripts)
	return f, nil
}

func (b budgetConfig) check() error {
	if b.Time <= 0 || b.Steps <= 0 || b.Output <= 0 {
		return errors.New("all of it must be above 0")
	}
	return nil
}

// NewWorker returns a processor with runners of its own.
func (f *pipelineFactory) NewWorker() engine.Processor {
	return &pipelineWorker{
		pipelineFactory: f,
		runners:         make([]*pipeline.Runner, len(f.scripts)),
		tallies:         make([]scriptTally, len(f.scripts)),
	}
}

// Process runs the scripts with fresh runners; the runtime calls the workers instead.
func (f *pipelineFactory) Process(ctx context.Context, b *engine.Batch) error {
	return f.NewWorker().Process(ctx, b)
}

// Close ends the loading of tables and closes connections.
func (f *pipelineFactory) Close(ctx context.Context) error {
	if f.outside == nil {
		return nil
	}
	return f.outside.close(ctx)
}
