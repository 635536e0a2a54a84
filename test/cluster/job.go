package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Job is a batch job to submit.
type Job struct {
	Script  string   // text of the script
	Args    []string // of the script
	UID     int      // who submits it; group and user have the same number
	Env     []string // NAME=value
	Options []string // more options of sbatch
}

// Run runs one of Slurm's commands as root and returns what it printed.
func (c *Cluster) Run(ctx context.Context, name string, args ...string) (string, error) {
	return c.run(ctx, 0, nil, name, args...)
}

func (c *Cluster) run(ctx context.Context, uid int, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patiently(60*time.Second))
	defer cancel()
	command := c.Command(ctx, uid, env, name, args...)
	var out, wrong bytes.Buffer
	command.Stdout, command.Stderr = &out, &wrong
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(wrong.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Command prepares a program that talks to this cluster, as the user.
func (c *Cluster) Command(ctx context.Context, uid int, env []string, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(c.environ(), env...)
	command.Dir = c.path("out")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if uid != 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	return command
}

// Submit hands in a batch job and returns its number.
func (c *Cluster) Submit(ctx context.Context, job Job) (int, error) {
	script, err := os.CreateTemp(c.path("out"), "job-*.sh")
	if err != nil {
		return 0, err
	}
	defer script.Close()
	if _, err := script.WriteString(job.Script); err != nil {
		return 0, err
	}
	if err := script.Chmod(0o755); err != nil {
		return 0, err
	}
	args := []string{"--parsable", "-o", c.path("out/job-%j.out"), "-J", "job", "--export=ALL"}
	args = append(args, job.Options...)
	args = append(append(args, script.Name()), job.Args...)
	out, err := c.run(ctx, job.UID, job.Env, "sbatch", args...)
	if err != nil {
		return 0, err
	}
	id, _, _ := strings.Cut(out, ";")
	return strconv.Atoi(id)
}

// Output returns what a job wrote.
func (c *Cluster) Output(id int) string {
	text, _ := os.ReadFile(c.path(fmt.Sprintf("out/job-%d.out", id)))
	return string(text)
}

// Cancel tells Slurm to end a job.
func (c *Cluster) Cancel(ctx context.Context, id int) error {
	_, err := c.Run(ctx, "scancel", strconv.Itoa(id))
	return err
}

// State returns the state of a job, like RUNNING, "COMPLETING" while its
// nodes are not back yet, or "" if Slurm does not know it any more.
func (c *Cluster) State(ctx context.Context, id int) string {
	out, err := c.Run(ctx, "scontrol", "show", "job", "-o", strconv.Itoa(id))
	if err != nil {
		return ""
	}
	for field := range strings.FieldsSeq(out) {
		if state, ok := strings.CutPrefix(field, "JobState="); ok {
			return state
		}
	}
	return ""
}

// WaitState waits until the job is in the state.
func (c *Cluster) WaitState(ctx context.Context, id int, state string) error {
	return until(ctx, 3*time.Minute, fmt.Sprintf("job %d to be %s", id, state), func() bool {
		return c.State(ctx, id) == state
	})
}

// Wait waits until the job is over and its nodes are back, and returns how
// long it was COMPLETING, to about 20 ms.
func (c *Cluster) Wait(ctx context.Context, id int) (time.Duration, error) {
	var began time.Time
	err := until(ctx, 5*time.Minute, fmt.Sprintf("job %d to be over", id), func() bool {
		out, err := c.Run(ctx, "squeue", "-h", "-t", "all", "-o", "%T", "-j", strconv.Itoa(id))
		over := err == nil && out != "RUNNING" && out != "PENDING" && out != "CONFIGURING" && out != "SUSPENDED"
		if over && began.IsZero() {
			began = time.Now()
		}
		return over && out != "COMPLETING"
	})
	return time.Since(began), err
}

// NodeState returns the state and the reason of a node.
func (c *Cluster) NodeState(ctx context.Context, node string) (string, error) {
	return c.Run(ctx, "sinfo", "-h", "-n", node, "-o", "%T %E")
}

// Processes returns the living processes whose environment names the job on
// this cluster, or which are in the job's cgroups here. Zombies do not count,
// nor do Slurm's hooks: they have the job's id in their environment.
func (c *Cluster) Processes(id int) []int {
	var found []int
	names := []string{"job_" + strconv.Itoa(id)}
	if sluid, _ := c.SLUID(context.Background(), id); sluid != "" {
		names = append(names, sluid)
	}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && c.runs(pid, id, names) {
			found = append(found, pid)
		}
	}
	return found
}

func (c *Cluster) runs(pid, id int, names []string) bool {
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return false
	}
	rest := string(stat[bytes.LastIndexByte(stat, ')')+1:])
	fields := strings.Fields(rest)
	if len(fields) > 17 && fields[0] == "Z" && fields[17] == "1" {
		return false
	}
	groups, _ := os.ReadFile(filepath.Join(folder, "cgroup"))
	if c.inGroups(string(groups), names) && !strings.Contains(string(stat), "(slurmstepd)") {
		return true
	}
	environ, _ := os.ReadFile(filepath.Join(folder, "environ"))
	variables := "\x00" + string(environ)
	return !strings.Contains(variables, "\x00SLURM_SCRIPT_CONTEXT=") &&
		strings.Contains(variables, fmt.Sprintf("\x00SLURM_JOB_ID=%d\x00", id)) &&
		strings.Contains(variables, "\x00SLURM_CLUSTER_NAME="+c.Name+"\x00")
}

// inGroups says whether the text of a process's cgroup file is inside a
// folder of one of the names, on a node of this cluster.
func (c *Cluster) inGroups(text string, names []string) bool {
	for line := range strings.Lines(text) {
		for _, node := range c.Nodes {
			for _, base := range []string{"/slurm_" + node + "/", "/" + node + "_slurmstepd.scope/"} {
				_, below, ok := strings.Cut(strings.TrimSpace(line), base)
				for _, name := range names {
					if ok && strings.Contains("/"+below+"/", "/"+name+"/") {
						return true
					}
				}
			}
		}
	}
	return false
}

// Groups returns the folders of a job's cgroups that are there now, on all
// nodes of this cluster.
func (c *Cluster) Groups(id int) []string {
	job := "job_" + strconv.Itoa(id)
	sluid, _ := c.SLUID(context.Background(), id)
	var found []string
	for _, node := range c.Nodes {
		patterns := []string{"/sys/fs/cgroup/*/slurm_" + node + "/uid_*/" + job}
		for _, scope := range c.scopes(node) {
			patterns = append(patterns, scope+"/"+job)
			if sluid != "" {
				patterns = append(patterns, scope+"/"+sluid)
			}
		}
		for _, pattern := range patterns {
			paths, _ := filepath.Glob(pattern)
			found = append(found, paths...)
		}
	}
	return found
}
