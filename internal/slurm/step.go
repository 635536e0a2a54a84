package slurm

import "strings"

// StepName turns the number of a step, as it stands in the names of files and
// in variables, into the name Slurm shows: "batch", "extern", "interactive",
// "7", or "7+1" for a component of a het step. Anything that is no step gives
// "".
func StepName(text string) string { return stepName(text) }

// stepName turns the number of a step into the name Slurm shows: the special
// steps have numbers at the top of the range (slurm.h, SLURM_BATCH_SCRIPT and
// its neighbours). Anything that is no step gives "".
func stepName(text string) string {
	switch text {
	case "4294967291", "batch":
		return "batch"
	case "4294967292", "extern":
		return "extern"
	case "4294967290", "interactive":
		return "interactive"
	}
	id, component, het := strings.Cut(text, "+")
	if _, ok := number(id); !ok {
		return ""
	}
	if _, ok := number(component); het && !ok {
		return ""
	}
	return text
}

// Title is what a slurmstepd shows as its arguments: the step it serves.
type Title struct {
	Job  uint32
	Step string // "" where the title is cut off within it
}

// ParseTitle reads a title like "slurmstepd: [11.batch]" (slurmstepd's
// setproctitle in src/slurmd/slurmstepd/slurmstepd.c, the step as
// log_build_step_id_str writes it). The kernel gives a title only the room
// the arguments had at the start, so its end may be missing; a cut number
// says nothing, a cut word that can only be one step does.
func ParseTitle(arguments []byte) (Title, bool) {
	text, _, _ := strings.Cut(string(arguments), "\x00")
	rest, ok := strings.CutPrefix(text, "slurmstepd: [")
	if !ok {
		return Title{}, false
	}
	inside, _, whole := strings.Cut(rest, "]")
	id, step, hasStep := strings.Cut(inside, ".")
	job, isNumber := number(id)
	if !isNumber || job == 0 || !hasStep {
		return Title{}, false
	}
	if whole {
		return Title{Job: job, Step: stepName(step)}, true
	}
	for _, special := range []string{"batch", "extern", "interactive"} {
		if step != "" && strings.HasPrefix(special, step) {
			return Title{Job: job, Step: special}, true
		}
	}
	return Title{Job: job}, true
}
