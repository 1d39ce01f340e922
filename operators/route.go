package operators

import (
	"context"
	"fmt"

	"dataflow/engine"
	"dataflow/engine/expr"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "route",
		Ports:   []string{"*"},
		Summary: "sends each point out of the port whose condition holds first",
		Doc: `The routes are tried in the order in which they stand; each is a port, read as ` + "`router.<name>`" + `. A point for which none
holds leaves by ` + "`router.unmatched`" + `; where nobody reads that port it fails, and on_error says what that means.`,
		Examples: []engine.Example{
			{Title: "errors apart", Graph: "type: route\nfrom: mq.logs\nroutes:\n  errors: 'fields.status == \"error\"'\n  nginx: 'name startsWith \"nginx\"'\n"},
		},
	}, routeConfig{}, newRoute)
}

type routeConfig struct {
	Routes routes `yaml:"routes" required:"true" doc:"conditions by port name, tried in this order"`
}

type routes []aRoute

type aRoute struct {
	port string
	cond *expr.Condition
}

// UnmarshalOption reads the routes from a mapping, in order.
func (r *routes) UnmarshalOption(n engine.OptionNode) error {
	names, nodes, ok := n.Map()
	if !ok || len(names) == 0 {
		return n.Errorf("must be a mapping from port names to conditions")
	}
	for i, name := range names {
		if name == unmatchedPort || name == "failed" || name == "dropped" || name == "" {
			return nodes[i].Errorf("%q cannot be the name of a route", name)
		}
		cond := new(expr.Condition)
		if err := cond.UnmarshalOption(nodes[i]); err != nil {
			return err
		}
		*r = append(*r, aRoute{name, cond})
	}
	return nil
}

const unmatchedPort = "unmatched"

type route struct{ routes routes }

func newRoute(_ engine.Env, c routeConfig) (engine.Operator, error) {
	if len(c.Routes) == 0 {
		return nil, engine.FieldError("routes", fmt.Errorf("must name at least one route"))
	}
	return &route{c.Routes}, nil
}

// Ports are the routes; there is no main port.
func (r *route) Ports() []engine.Port {
	var out []engine.Port
	for _, x := range r.routes {
		out = append(out, engine.Port{Name: x.port})
	}
	return append(out, engine.Port{Name: unmatchedPort})
}

// Process routes.
func (r *route) Process(_ context.Context, b *engine.Batch) error {
	for i := range b.Points {
		b.Route(i, r.of(b, i))
	}
	return nil
}

func (r *route) of(b *engine.Batch, i int) string {
	for _, x := range r.routes {
		if x.cond.Match(b, i) {
			return x.port
		}
	}
	return unmatchedPort
}
