package controller

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Node is what scontrol shows of a node, as far as it matters to a resume.
type Node struct {
	Name   string
	State  []string // the base state and the flags, like IDLE and DRAIN
	Reason string   // "" for none
	By     string   // who set the reason
	Since  string   // when, in seconds since 1970
}

// Drained says whether the node takes no new jobs.
func (n Node) Drained() bool { return slices.Contains(n.State, "DRAIN") }

// killFailed is the reason slurmstepd gives when a step did not end
// (step_terminate_monitor.c; ESLURMD_KILL_TASK_FAILED in slurm_errno.c). From
// Slurm 25.05 the job and the step follow in parentheses.
const killFailed = "Kill task failed"

// KillFailed says whether the reason is Slurm's own word for a step that did
// not end, and of which job: 0 where it does not tell.
func (n Node) KillFailed() (job uint32, ok bool) {
	if n.Reason == killFailed {
		return 0, true
	}
	rest, ok := strings.CutPrefix(n.Reason, killFailed+" (JobId=")
	inside, closed := strings.CutSuffix(rest, ")")
	id, _, step := strings.Cut(inside, " StepId=")
	value, err := strconv.ParseUint(id, 10, 32)
	return uint32(value), ok && closed && step && err == nil
}

// usable are the states and flags of a node that lacks nothing but the end of
// its drain. Any other flag means that somebody wants something of it.
var usable = []string{"IDLE", "MIXED", "ALLOCATED", "DRAIN", "COMPLETING", "CLOUD", "DYNAMIC_NORM", "DYNAMIC_FUTURE"}

// Hindrance returns the first state that speaks against a resume, "" for none.
func (n Node) Hindrance() string {
	for _, state := range n.State {
		if !slices.Contains(usable, state) {
			return state
		}
	}
	return ""
}

// ParseNode reads what "scontrol --oneliner show node" prints about one node
// (src/api/node_info.c, slurm_sprint_node_table): KEY=value, and the reason as
// "Reason=text [user@time]".
func ParseNode(text, name string) (Node, error) {
	line := strings.TrimRight(text, "\n ")
	if strings.Contains(line, "\n") || !strings.HasPrefix(line, "NodeName="+name+" ") {
		return Node{}, fmt.Errorf("not one record of node %s: %.80q: %w", name, line, ErrFormat)
	}
	_, rest, ok := strings.Cut(line, " State=")
	word, rest, _ := strings.Cut(rest, " ")
	if !ok || word == "" || strings.Contains(" "+rest, " State=") {
		return Node{}, fmt.Errorf("node %s: %w: State=", name, ErrFormat)
	}
	// A "*" says that the node does not respond, other signs that its power
	// changes (slurm_protocol_defs.c, node_state_string).
	bare := strings.TrimRight(word, "*$%@^!#~-")
	n := Node{Name: name, State: strings.Split(bare, "+")}
	if bare != word {
		n.State = append(n.State, "NOT_RESPONDING")
	}
	_, reason, found := strings.Cut(rest, "Reason=")
	if !found {
		return n, nil
	}
	reason, by, ok := strings.Cut(reason, " [")
	by, _, closed := strings.Cut(by, "]")
	user, since, parted := strings.Cut(by, "@")
	if !ok || !closed || !parted {
		return Node{}, fmt.Errorf("node %s: Reason=%.60q: %w", name, reason, ErrFormat)
	}
	n.Reason, n.By, n.Since = reason, user, since
	return n, nil
}

// AskNode asks once what the controller thinks of a node.
func AskNode(ctx context.Context, scontrol, conf, name string) (Node, error) {
	out, err := run(ctx, scontrol, conf, "--oneliner", "--local", "show", "node", name)
	if err != nil {
		return Node{}, fmt.Errorf("%s for node %s: %w", scontrol, name, err)
	}
	return ParseNode(out, name)
}

// Resume gives a drained node back: "scontrol update State=RESUME".
func Resume(ctx context.Context, scontrol, conf, name string) error {
	if _, err := run(ctx, scontrol, conf, "--local", "update", "NodeName="+name, "State=RESUME"); err != nil {
		return fmt.Errorf("%s: resuming node %s: %w", scontrol, name, err)
	}
	return nil
}
