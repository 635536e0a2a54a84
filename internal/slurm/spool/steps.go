package spool

import (
	"strconv"
	"strings"

	"lastcall/internal/linux"
	"lastcall/internal/slurm"
)

// Step is a step that has a socket in the spool folder.
type Step struct {
	Job       uint32 // raw id: of an array its task's, of a het job its component's
	Name      string // "batch", "extern", "interactive", "0", or "0+1" for a component of a het step
	Component int    // of a het step, else -1
	Socket    string // name of the socket in the folder
}

// ParseSocket reads the name of a step's socket, NODE_JOB.STEP or
// NODE_JOB.STEP.COMPONENT, all three decimal numbers (stepd_api.c,
// _sockname_regex; slurmstepd/req.c, _domain_socket_create: the same from
// 20.11 to 26.05, the SLUID of newer versions is not in it). Node names may
// hold underscores and dots, so the node has to be known.
func ParseSocket(name, node string) (Step, bool) {
	rest, ok := strings.CutPrefix(name, node+"_")
	if !ok {
		return Step{}, false
	}
	job, rest, ok := strings.Cut(rest, ".")
	if !ok {
		return Step{}, false
	}
	number, component, het := strings.Cut(rest, ".")
	step := Step{Component: -1, Socket: name}
	id, err := strconv.ParseUint(job, 10, 32)
	if err != nil || id == 0 || !isDecimal(job) || !isDecimal(number) {
		return Step{}, false
	}
	step.Job = uint32(id)
	if step.Name = slurm.StepName(number); step.Name == "" {
		return Step{}, false
	}
	if het {
		value, err := strconv.ParseUint(component, 10, 31)
		if err != nil || !isDecimal(component) {
			return Step{}, false
		}
		step.Component = int(value)
		step.Name += "+" + component
	}
	return step, true
}

// isDecimal refuses the signs and leading zeros Slurm does not write.
func isDecimal(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == "" && (text[0] != '0' || text == "0")
}

// Steps lists the steps with a socket in the spool folder dir of the node. It
// reads the folder once. A socket may be left by a slurmstepd that crashed;
// see Listening. A job whose Prolog is running has no step yet.
func Steps(dir, node string) ([]Step, error) {
	var steps []Step
	err := linux.EachName(dir, make([]byte, 8<<10), func(name []byte) bool {
		if step, ok := ParseSocket(string(name), node); ok {
			steps = append(steps, step)
		}
		return true
	})
	return steps, err
}
