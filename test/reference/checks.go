package reference

import (
	"fmt"
	"strconv"
	"strings"
)

// A set is what holds one entry: checks, and, where ours differs on purpose or the entry states no result, the reason.
type set struct {
	number int
	text   string
	except string // ours differs, because
	none   string // no result, but
	checks []check
}

// A check is one thing to run.
type check struct {
	line    int
	form    string // script, =, time, fmt, zone or status
	scope   string // what stood in brackets: a zone
	subject string // an expression, a time text, a format; of a script the script
	want    string

	options  map[string]string
	messages []string
}

const gives = " => "

// parseChecks reads the file of checks:
//
//	@ 10 the text of the entry, as in the table
//	except REASON        ours differs
//	none REASON          the entry states no result
//	= EXPR => VALUE      a value as the language writes it, or error, or load error
//	time [ZONE] TEXT => 2024-03-09T16:05:06Z, or fail
//	fmt FORMAT => TEXT   of datetime, at the time of the page's table
//	zone NAME => IANA
//	status TEXT => TEXT
//	! OPTION VALUE       for the script that follows: point kafka or typed, now TIME, due all, NAME.p SCRIPT with lines that end in "; "
//	| a line of a script
//	< a message; several are run one after the other
//	> a line of what the point is then; a lone > is an unchanged point
//
// In what is wanted … stands for any text.
func parseChecks(text string) ([]set, error) {
	var p checkParser
	for line := range strings.Lines(text) {
		p.line++
		line = strings.TrimRight(line, "\n")
		if err := p.read(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	p.end()
	return p.sets, nil
}

type checkParser struct {
	sets   []set
	line   int
	script check
}

func (p *checkParser) read(line string) error {
	if line == "" || strings.HasPrefix(line, "# ") {
		return nil
	}
	mark, rest, _ := strings.Cut(line, " ")
	if mark == "@" {
		p.end()
		number, text, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		p.sets = append(p.sets, set{number: n, text: text})
		return err
	}
	if len(p.sets) == 0 {
		return fmt.Errorf("a check before the first entry")
	}
	s := &p.sets[len(p.sets)-1]
	switch mark {
	case "except":
		s.except = rest
	case "none":
		s.none = rest
	case "|", "!", "<":
		if p.script.want != "" {
			p.end()
		}
		return p.part(mark, rest)
	case ">":
		if p.script.subject == "" {
			return fmt.Errorf("a result without a script")
		}
		p.script.want += rest + "\n"
	case "=", "time", "fmt", "zone", "status":
		p.end()
		c := check{line: p.line, form: mark}
		if mark != "=" && strings.HasPrefix(rest, "[") {
			c.scope, rest, _ = strings.Cut(rest[1:], "] ")
		}
		i := strings.LastIndex(rest, gives)
		if i < 0 {
			return fmt.Errorf("no result in %q", line)
		}
		c.subject, c.want = rest[:i], rest[i+len(gives):]
		s.checks = append(s.checks, c)
	default:
		return fmt.Errorf("unknown mark %q", mark)
	}
	return nil
}

func (p *checkParser) part(mark, rest string) error {
	if p.script.line == 0 {
		p.script = check{line: p.line, form: "script", options: map[string]string{}}
	}
	switch mark {
	case "|":
		p.script.subject += rest + "\n"
	case "<":
		p.script.messages = append(p.script.messages, rest)
	case "!":
		key, value, ok := strings.Cut(rest, " ")
		if !ok {
			return fmt.Errorf("option %s has no value", key)
		}
		p.script.options[key] = value
	}
	return nil
}

// end ends the script that is being read.
func (p *checkParser) end() {
	if p.script.line > 0 {
		s := &p.sets[len(p.sets)-1]
		p.script.subject = strings.TrimSuffix(p.script.subject, "\n")
		p.script.want = strings.TrimSuffix(p.script.want, "\n")
		s.checks = append(s.checks, p.script)
	}
	p.script = check{}
}
