package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/test/cluster"
)

// away makes a group outside of Slurm's, like that of a container runtime.
func (s *site) away(name string) string {
	s.t.Helper()
	top := "/sys/fs/cgroup"
	if s.Place.Cgroup == 1 {
		top += "/freezer"
	}
	group := nest(s.t, fmt.Sprintf("%s/lastcall-%s-%s.scope", top, name, s.Name))
	s.t.Cleanup(func() {
		for end := time.Now().Add(cluster.Patiently(5 * time.Second)); syscall.Rmdir(group) != nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // its last process is on its way out
		}
	})
	return group
}

// environ returns the environment of a process of the job: what a container
// runtime hands on when it is asked to.
func (s *site) environ(one living) []string {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", one.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
}

// A daemon of root, like that of a container runtime, starts processes for
// the user in groups of its own. With the job's environment they are the
// job's; without it nothing ties them to it, and they are left alone.
func TestStartedByADaemonElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{Proctrack: "cgroup"}, "")
	out := s.folder(nobody)
	id := s.submit("waiting.sh", nobody, out)
	own := s.ready(out+"/ready", 1)
	group := s.away("docker")
	start := func(name string, env []string) living {
		ready := filepath.Join(s.folder(nobody), "ready")
		command := exec.Command(s.bin+"/misbehave", "-setsid", "-ready", ready, "-cgroup", group, "-uid", fmt.Sprint(nobody))
		command.Env = env
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = command.Wait() }()
		one := s.ready(ready, 1)[0]
		one.name = name
		return one
	}
	with := start("with the job's environment", s.environ(own[0]))
	without := start("without it", []string{"HOME=/"})
	t.Cleanup(func() {
		if lives(without.pid, without.start) {
			_ = syscall.Kill(without.pid, syscall.SIGKILL)
		}
	})
	s.finish(id, out)
	s.dead(append(own, with)...)
	s.alive(without)
}

// A session that was adopted into the job's extern step, as pam_slurm_adopt
// does with ssh's, carries nothing of the job but its place.
func TestAdoptedSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{Proctrack: "cgroup", Conf: []string{"PrologFlags=Contain"}}, "")
	out := s.folder(nobody)
	id := s.submit("waiting.sh", nobody, out)
	own := s.ready(out+"/ready", 1)
	job := s.jobGroup(id, arrangement{})
	extern := job + "/step_extern"
	if s.Place.Cgroup == 2 {
		extern = nest(t, extern+"/user/task_special")
	}
	list := append(own,
		s.member("the session's shell", extern, nobody),
		s.member("its child in a group of its own", nest(t, extern+"/sub"), nobody, "-term", "ignore"),
	)
	s.finish(id, out)
	s.dead(list...)
	s.groupsGone(job)
}

// A scope of the user's own systemd is beyond the job: what is in it is left
// alone, though it carries the job's environment, and so is a manager that
// lingers.
func TestTheUsersOwnSystemd(t *testing.T) {
	t.Parallel()
	arrangement{v2: true}.here(t)
	s := newSite(t, cluster.Options{Proctrack: "cgroup"}, "")
	if !s.Place.Systemd {
		t.Skip("no systemd here")
	}
	const ada = 1000
	if out, err := exec.Command("systemctl", "start", fmt.Sprintf("user@%d.service", ada)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	manager := s.mainProcess(fmt.Sprintf("user@%d.service", ada))
	out := s.folder(ada)
	id := s.submitJob(cluster.Job{
		UID: ada, Env: []string{"MISBEHAVE=" + s.bin + "/misbehave", "OUT=" + out},
		Script: fmt.Sprintf("#!/bin/bash\nexport XDG_RUNTIME_DIR=/run/user/%d\n"+
			"systemd-run --user --scope --quiet \"$MISBEHAVE\" -setsid -exit -ready $OUT/ready\n"+
			"\"$MISBEHAVE\" -setsid -exit -ready $OUT/ready\n", ada),
	})
	s.wait(id)
	both := s.ready(out+"/ready", 2)
	s.alive(manager)
	s.alive(both[0])
	s.dead(both[1])
	reason := "not in the record"
	for _, process := range s.record(id).Processes {
		if process.PID == both[0].pid {
			reason = process.Spared
		}
	}
	if reason != "login" {
		t.Errorf("the process in the user's scope was spared as %s; output of the job:\n%s", reason, s.Output(id))
	}
	_ = syscall.Kill(both[0].pid, syscall.SIGKILL)
}

// mainProcess returns the first process of a unit of systemd.
func (s *site) mainProcess(unit string) living {
	s.t.Helper()
	out, err := exec.Command("systemctl", "show", "-P", "MainPID", unit).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	one := living{name: unit}
	if _, err := fmt.Sscan(string(out), &one.pid); err != nil || one.pid == 0 {
		s.t.Fatalf("%s has no process: %q", unit, out)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", one.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if _, err := fmt.Sscan(fields[19], &one.start); err != nil {
		s.t.Fatal(err)
	}
	return one
}
