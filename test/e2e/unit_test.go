package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"lastcall/deploy"
	"lastcall/test/cluster"
)

// The unit as it is shipped: systemd takes it, and all that it forbids leaves
// the service able to do its work.
func TestWatchAsAService(t *testing.T) {
	place, err := cluster.Here()
	if err != nil {
		t.Fatal(err)
	}
	if !place.Systemd {
		t.Skip("systemd is not the first process here")
	}
	s := newSite(t, cluster.Options{Proctrack: "cgroup", KillWait: 30}, "watch.confirm_timeout = \"10s\"")
	w := &watched{site: s}
	unit := "lastcall-watch-" + w.Name + ".service"
	text := strings.Replace(deploy.Unit, "/usr/local/lib/lastcall/lastcall watch", w.bin+"/lastcall watch -verbose -slurm-conf "+w.Conf(), 1)
	if text == deploy.Unit {
		t.Fatal("the unit starts something else")
	}
	if err := os.WriteFile("/run/systemd/system/"+unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	systemctl := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("systemctl", args...).CombinedOutput()
		if err != nil {
			journal, _ := exec.Command("journalctl", "-u", unit, "--no-pager").CombinedOutput()
			t.Fatalf("systemctl %v: %v: %s\n%s", args, err, out, journal)
		}
		return string(out)
	}
	systemctl("daemon-reload")
	t.Cleanup(func() {
		_ = exec.Command("systemctl", "stop", unit).Run()
		_ = os.Remove("/run/systemd/system/" + unit)
	})
	// Type=notify: it comes back once the service says that it is ready.
	systemctl("start", unit)
	j := w.begin("second.sh", 6, nil)
	w.endsBy("as a service", j, w.cancel(j), soon, "idle")
	if text := w.Output(j.id); !strings.Contains(text, "lastcall: the job was told to end") {
		t.Errorf("the user was told nothing: %q", text)
	}
	if state := systemctl("is-active", unit); !strings.HasPrefix(state, "active") {
		t.Errorf("the service is %s", state)
	}
	systemctl("stop", unit)
	if out, _ := exec.Command("systemctl", "show", "-p", "Result", unit).Output(); !strings.Contains(string(out), "success") {
		t.Errorf("it ended with %s", out)
	}
}
