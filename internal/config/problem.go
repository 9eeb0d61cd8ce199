package config

import (
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing that is wrong with the options.
type Problem struct {
	Where string // the option as the user wrote it: a variable's name, a path in a file, with its line where it has one
	What  string // what is wrong and what is wanted
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// Problems is all that is wrong. It is the error of Load.
type Problems []Problem

func (p Problems) Error() string {
	if len(p) == 1 {
		return "option " + p[0].String()
	}
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = "\n  " + p[i].String()
	}
	return fmt.Sprintf("%d options are wrong:%s", len(p), strings.Join(lines, ""))
}

func (p *Problems) add(where, format string, args ...any) {
	problem := Problem{where, fmt.Sprintf(format, args...)}
	if !slices.Contains(*p, problem) {
		*p = append(*p, problem)
	}
}
