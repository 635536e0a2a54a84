package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// daemon is one of the cluster's programs; done is closed when it has ended.
type daemon struct {
	name    string
	command *exec.Cmd
	unit    string // of systemd, "" for a plain child
	done    chan struct{}
	end     error // of the command, once done is closed
}

// Launch starts another daemon beside those of Slurm, for as long as the
// cluster lives: as root, with the cluster's environment, its output in the
// file name.out of the cluster's folder.
func (c *Cluster) Launch(name, program string, args ...string) error {
	return c.launch(name, program, args...)
}

// launch starts one daemon in a session of its own, so that Ctrl-C in the
// terminal leaves the order of stopping to Stop.
func (c *Cluster) launch(name, program string, args ...string) error {
	return c.follow(name, "", exec.Command(program, args...))
}

// launchBelowInit starts a slurmd below an init of its own.
func (c *Cluster) launchBelowInit(name, program string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self, append([]string{program}, args...)...)
	command.Env = []string{initVariable + "=1"}
	return c.follow(name, "", command)
}

// startNode starts a slurmd: below systemd as the unit that distributions
// ship, which hands it its own part of the cgroup tree, else by hand.
func (c *Cluster) startNode(node string) error {
	slurmd := []string{"slurmd", "-D", "-N", node, "-f", c.Conf()}
	if !c.Place.Systemd || c.options.ByHand {
		return c.launchBelowInit(node, slurmd[0], slurmd[1:]...)
	}
	unit := node + "-slurmd.service"
	args := []string{
		"--quiet", "--collect", "--wait", "--pipe", "--unit=" + unit, "-p", "Delegate=yes", "-p", "KillMode=process",
		"-p", "TasksMax=infinity", "-p", "LimitNOFILE=131072",
	}
	for _, variable := range c.environ() {
		args = append(args, "--setenv="+variable)
	}
	return c.follow(node, unit, exec.Command("systemd-run", append(args, slurmd...)...))
}

func (c *Cluster) follow(name, unit string, command *exec.Cmd) error {
	log, err := os.OpenFile(c.path(name+".out"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command.Env = append(c.environ(), command.Env...)
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("%s: %w", command.Args[0], err)
	}
	d := &daemon{name: name, unit: unit, command: command, done: make(chan struct{})}
	c.daemons = append(c.daemons, d)
	go func() {
		d.end = command.Wait()
		close(d.done)
	}()
	return nil
}

// stop asks, waits 5 s, and ends.
func (d *daemon) stop() {
	if d.unit != "" {
		_ = exec.Command("systemctl", "kill", "--kill-whom=main", d.unit).Run()
	} else {
		_ = d.command.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-d.done:
		return
	case <-time.After(Patiently(5 * time.Second)):
	}
	if d.unit != "" {
		_ = exec.Command("systemctl", "kill", "--kill-whom=main", "--signal=KILL", d.unit).Run()
	} else {
		_ = d.command.Process.Kill()
	}
	<-d.done
}

// ended returns what there is to say about a daemon that is not running any
// more, "" if all are.
func (c *Cluster) ended() string {
	for _, d := range c.daemons {
		select {
		case <-d.done:
			return fmt.Sprintf("%s has ended at once: %v", d.name, d.end)
		default:
		}
	}
	return ""
}

// removeCgroups removes what the nodes of this cluster had: on version 1 the
// folders, as far as they are empty; on version 2 the scope, with the
// slurmstepd that keeps it alive for the next slurmd.
func (c *Cluster) removeCgroups() {
	for _, top := range c.tops() {
		removeTree(top)
	}
	for _, node := range c.Nodes {
		for _, top := range c.scopes(node) {
			_ = os.WriteFile(top+"/cgroup.kill", []byte("1"), 0)
			for end := time.Now().Add(Patiently(15 * time.Second)); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				removeTree(top)
				if _, err := os.Stat(top); err != nil {
					break
				}
			}
		}
	}
}

// scopes returns where the groups of a node's jobs are, version 2.
func (c *Cluster) scopes(node string) []string {
	found, _ := filepath.Glob("/sys/fs/cgroup/*.slice/" + node + "_slurmstepd.scope")
	return found
}

func removeTree(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if entry.IsDir() {
			removeTree(filepath.Join(folder, entry.Name()))
		}
	}
	_ = syscall.Rmdir(folder)
}
