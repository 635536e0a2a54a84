package cgroup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastcall/internal/slurm"
)

func TestPlaceOf(t *testing.T) {
	nowhere := Place{UID: -1, Task: -1}
	with := func(change func(*Place)) Place {
		p := nowhere
		change(&p)
		return p
	}
	tests := []struct {
		name, text string
		want       Place
	}{
		{"outside", "4:freezer:/\n0::/system.slice/sshd.service\n", nowhere},
		{"v1 batch", "4:freezer:/slurm/uid_1000/job_77/step_batch\n3:memory:/slurm/uid_1000/job_77/step_batch/task_0\n", with(func(p *Place) { p.Job, p.UID, p.Step, p.Task = 77, 1000, "batch", 0 })},
		{"v1 job level", "4:freezer:/slurm_n1/uid_0/job_77\n", with(func(p *Place) { p.Job, p.UID, p.Node = 77, 0, "n1" })},
		{"v2 task", "0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_3\n", with(func(p *Place) { p.Job, p.Step, p.Task = 77, "0", 3 })},
		{"v2 nested by the job", "0::/system.slice/n1_slurmstepd.scope/job_77/step_0/user/task_3/docker/slurm/uid_1/job_5\n", with(func(p *Place) { p.Job, p.Step, p.Task, p.Node = 77, "0", 3, "n1" })},
		{"v2 beside slurmstepd", "0::/system.slice/slurmstepd.scope/job_77/step_extern/slurm\n", with(func(p *Place) { p.Job, p.Step, p.Stepd = 77, "extern", true })},
		{"v2 by SLUID", "0::/system.slice/slurmstepd.scope/s50DM84J1GD700/step_batch/user/task_special\n", with(func(p *Place) { p.SLUID, p.Step = "s50DM84J1GD700", "batch" })},
		{"made up by a user", "0::/user.slice/user-5.slice/user@5.service/slurmstepd.scope/job_77/step_0/user/task_0\n", with(func(p *Place) { p.Login = true })},
		{"parked slurmstepd", "0::/system.slice/slurmstepd.scope/system\n", nowhere},
		{"login", "1:name=systemd:/user.slice/user-1000.slice/session-3.scope\n", with(func(p *Place) { p.Login = true })},
		{"service of a user", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", with(func(p *Place) { p.Login = true })},
		{"two jobs", "4:freezer:/slurm/uid_1/job_77\n3:memory:/slurm/uid_1/job_78\n", with(func(p *Place) { p.Job, p.UID, p.Conflict = 77, 1, true })},
		{"names that only look so", "0::/slurmX/uid_1/job_77\n1:a:/xslurmstepd.scope/job_7\n2:b:/slurm/uid_x/job_7\n3:c:/slurm/uid_1/job_0\n4:d:/slurm/job_7\n", nowhere},
		{"removed", "0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_3 (deleted)\n", with(func(p *Place) { p.Job, p.Step, p.Task = 77, "0", 3 })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, PlaceOf([]byte(test.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBelongs(t *testing.T) {
	job := slurm.Job{ID: 77, UID: 1000, Node: "n1", SLUID: "s50DM84J1GD700"}
	tests := []struct {
		path string
		want bool
	}{
		{"/slurm/uid_1000/job_77", true},
		{"/slurm_n1/uid_1000/job_77/step_0", true},
		{"/slurm_n2/uid_1000/job_77", false},
		{"/slurm/uid_1001/job_77", false},
		{"/slurm/uid_1000/job_7", false},
		{"/slurm/uid_1000/job_770", false},
		{"/x.slice/slurmstepd.scope/job_77/step_batch/user/task_0", true},
		{"/x.slice/slurmstepd.scope/s50DM84J1GD700/step_batch/user", true},
		{"/x.slice/slurmstepd.scope/s50DM84J1GD701/step_batch/user", false},
		{"/", false},
	}
	for _, test := range tests {
		if got := PlaceOf([]byte("0::" + test.path + "\n")).Belongs(job); got != test.want {
			t.Errorf("%s: %v", test.path, got)
		}
	}
}

func FuzzPlaceOf(f *testing.F) {
	f.Add("4:freezer:/slurm/uid_1000/job_77/step_batch\n")
	f.Add("0::/system.slice/n_slurmstepd.scope/s50DM84J1GD700/step_0/user/task_1\n")
	f.Fuzz(func(t *testing.T, text string) {
		place := PlaceOf([]byte(text))
		if place.Job != 0 && !strings.Contains(text, "job_") || place.SLUID != "" && !slurm.IsSLUID(place.SLUID) || place.Task < -1 {
			t.Errorf("%q was read as %+v", text, place)
		}
		if !place.InJob() && (place.Step != "" || place.Task >= 0 || place.Stepd) {
			t.Errorf("%q: a step without a job: %+v", text, place)
		}
	})
}

const mountinfo = `24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 24 0:27 / /sys/fs/cgroup/freezer rw,relatime shared:9 - cgroup cgroup rw,freezer
32 24 0:28 / /sys/fs/cgroup/with\040blank rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 24 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:3 master:2 - cgroup2 cgroup2 rw
34 24 0:30 / /mnt/cgroup rw - tmpfs cgroup rw
`

func TestParseMounts(t *testing.T) {
	want := []Mount{
		{Path: "/sys/fs/cgroup/freezer", Version: 1, Controllers: "rw,freezer"},
		{Path: "/sys/fs/cgroup/with blank", Version: 1, Controllers: "rw,cpu,cpuacct"},
		{Path: "/sys/fs/cgroup/unified", Version: 2},
	}
	if diff := cmp.Diff(want, ParseMounts([]byte(mountinfo))); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add([]byte(mountinfo))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, mount := range ParseMounts(text) {
			if !strings.HasPrefix(mount.Path, "/") || mount.Version != 1 && mount.Version != 2 {
				t.Errorf("%q gave %+v", text, mount)
			}
		}
	})
}
