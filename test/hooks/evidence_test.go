package hooks

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

func TestWhoIsEndedAndWhoIsNot(t *testing.T) {
	j := newJob(t, "")
	id := "SLURM_JOB_ID=" + strconv.Itoa(j.id)
	task := []string{id, "SLURM_PROCID=0"}
	ours := []process{
		j.process(nobody, task),
		j.process(nobody, append(task, "SLURM_STEP_ID=3"), "-daemon"),
		j.process(nobody, task, "-zombie-leader"),
		j.process(nobody, task, "-stopped"),
		j.process(nobody, task, "-term", "block"),
		j.process(nobody, task, "-name", `a) Z 1 (\n`),
	}
	others := map[string]process{
		"":              j.process(nobody, nil),
		"user":          j.process(5, task),
		"no-task":       j.process(nobody, []string{id}),
		"other-run":     j.process(nobody, append(task, "SLURM_RESTART_COUNT=1")),
		"other-cluster": j.process(nobody, append(task, "SLURM_CLUSTER_NAME=elsewhere")),
		"root":          j.process(0, task),
	}
	r, exit, _ := j.run("SLURM_CLUSTER_NAME=here")
	j.wants(r, exit, "cleaned")
	j.dead(ours...)
	reasons := map[int]string{}
	for _, p := range r.Processes {
		reasons[p.PID] = p.Spared
		if p.Spared == "" && (p.Evidence == "" || p.Proof == "") {
			t.Errorf("no proof for %+v", p)
		}
	}
	for want, p := range others {
		j.alive(p)
		if want == "user" || want == "root" {
			want = ""
		}
		if got := reasons[p.pid]; got != want {
			t.Errorf("process %d was spared as %q, want %q", p.pid, got, want)
		}
	}
}

func TestSpareList(t *testing.T) {
	j := newJob(t, "spare.commands = [\"precious\"]\n")
	id := []string{"SLURM_JOB_ID=" + strconv.Itoa(j.id), "SLURM_PROCID=0"}
	listed := j.process(nobody, id, "-name", "precious")
	r, exit, _ := j.run()
	j.wants(r, exit, "spared-only")
	j.alive(listed)
}

// By user alone only where the user has no other job on the node. A pid
// namespace keeps the slurmstepd of other tests out of it.
func TestByUser(t *testing.T) {
	for more, want := range map[string]string{
		"": "cleaned", "SLURM_JOB_ID=6 SLURM_PROCID=0": "clean",
	} {
		j := newJob(t, "epilog.claims = [\"uid\"]\n")
		const lonely = 13 // a user nobody uses here
		script := fmt.Sprintf(`mis=%[1]s/bin/misbehave out=%[1]s/out
env -i $mis -uid %[2]d -max 30s -ready $out/one &
[ -z "%[3]s" ] || env -i %[3]s $mis -uid %[2]d -max 30s -ready $out/two &
until [ -e $out/one ] && [ -e $out/two -o -z "%[3]s" ]; do sleep 0.05; done
exec %[1]s/bin/epilog`, j.dir, lonely, more)
		command := exec.Command("unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "sh", "-c", script)
		command.Env = j.environment("SLURM_JOB_UID=13", "PATH="+os.Getenv("PATH"))
		out, err := command.CombinedOutput()
		if r := j.record(); err != nil || r.Verdict != want {
			t.Errorf("%q: %v, %s: %+v", more, err, out, r)
		}
	}
}

// v2 is the host's version 2 hierarchy; its Slurm tree for a test is made by
// hand, as no slurmd runs on it here.
const v2 = "/sys/fs/cgroup/unified"

func scope(t *testing.T, j *job) string {
	t.Helper()
	node := fmt.Sprintf("lct%d", j.id)
	top := fmt.Sprintf("%s/%s_slurmstepd.scope", v2, node)
	t.Cleanup(func() { removeGroups(top) })
	return j.group(fmt.Sprintf("%s/job_%d", top, j.id))
}

func TestTheCgroupReachesOtherUsers(t *testing.T) {
	j := newJob(t, "")
	folder := scope(t, j)
	user := j.group(folder + "/step_0/user/task_0")
	nested := j.group(user + "/container/inner")
	ours := []process{
		j.process(5, nil, "-cgroup", user),
		j.process(6, nil, "-cgroup", nested, "-term", "ignore"),
		j.process(nobody, nil, "-cgroup", nested, "-fork-rate", "100"),
	}
	outside := j.process(5, nil)
	r, exit, _ := j.run("SLURMD_NODENAME=" + fmt.Sprintf("lct%d", j.id))
	j.wants(r, exit, "cleaned")
	j.dead(ours...)
	j.alive(outside)
	for _, p := range r.Processes {
		if p.Evidence != "cgroup" && p.Evidence != "kin" || p.Evidence == "cgroup" && p.Proof != "step_0" {
			t.Errorf("%+v", p)
		}
	}

	// The same name below another node's scope is another slurmd's job.
	j2 := newJob(t, "")
	foreign := j2.process(5, nil, "-cgroup", j2.group(scope(t, j2)+"/step_0/user/task_0"))
	r, exit, _ = j2.run("SLURMD_NODENAME=elsewhere")
	j2.wants(r, exit, "clean")
	j2.alive(foreign)
}

// The Epilog of RunInJob sits in the job's own groups: it must spare itself
// and what is beside it.
func TestRunInJob(t *testing.T) {
	j := newJob(t, "")
	folder := scope(t, j)
	beside := j.group(folder + "/step_extern/slurm")
	stepd := j.process(0, nil, "-cgroup", beside)
	left := j.process(nobody, nil, "-cgroup", j.group(folder+"/step_0/user/task_0"), "-term", "ignore")
	command := exec.Command("sh", "-c", "echo 0 >"+beside+"/cgroup.procs && exec "+j.dir+"/bin/epilog")
	command.Env = j.environment("PATH=" + os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if r := j.record(); r.Verdict != "cleaned" || !r.RunInJob {
		t.Errorf("%+v", r)
	}
	j.dead(left)
	j.alive(stepd)
}

func TestAFrozenGroupIsThawed(t *testing.T) {
	j := newJob(t, "")
	node := fmt.Sprintf("lct%d", j.id)
	top := "/sys/fs/cgroup/freezer/slurm_" + node
	t.Cleanup(func() { removeGroups(top) })
	step := j.group(fmt.Sprintf("%s/uid_%d/job_%d/step_batch", top, nobody, j.id))
	p := j.process(nobody, nil, "-cgroup", step)
	if err := os.WriteFile(step+"/freezer.state", []byte("FROZEN"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(step+"/freezer.state", []byte("THAWED"), 0) })
	r, exit, _ := j.run("SLURMD_NODENAME=" + node)
	j.wants(r, exit, "cleaned")
	j.dead(p)
}
