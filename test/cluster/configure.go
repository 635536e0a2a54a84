package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"lastcall/internal/slurm"
)

// folders makes the temporary folder's parts. Jobs of any user run below it.
func (c *Cluster) folders() error {
	if err := os.Chmod(c.Dir, 0o755); err != nil {
		return err
	}
	for _, folder := range []string{"etc", "munge", "state", "spool", "out", "bin"} {
		if err := os.Mkdir(c.path(folder), 0o755); err != nil {
			return err
		}
	}
	for _, node := range c.Nodes {
		if err := os.Mkdir(c.path("spool/"+node), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(c.path("out"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	key := make([]byte, 128)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return os.WriteFile(c.path("munge/key"), key, 0o600)
}

// The ports of the clusters are below those that the kernel gives to whoever
// connects (ip_local_port_range of ip(7), from 32768 on unless set otherwise):
// one of those may be taken between the look and the start of a daemon.
const firstPort, ports = 15000, 17000

// lastPort counts on, so that clusters which start at once do not find the
// same. Several test programs may, so each begins elsewhere.
var lastPort atomic.Int64

func init() { lastPort.Store(int64(os.Getpid()) * 97) }

// freePorts finds ports nobody uses now.
func freePorts(n int) ([]int, error) {
	var list []int
	for tries := 0; len(list) < n; tries++ {
		port := firstPort + int(lastPort.Add(1)%ports)
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		switch {
		case err == nil:
			defer listener.Close()
			list = append(list, port)
		case !errors.Is(err, syscall.EADDRINUSE) || tries == ports:
			return nil, err
		}
	}
	return list, nil
}

// configure writes slurm.conf and cgroup.conf.
func (c *Cluster) configure() error {
	o := c.options
	lines := []string{
		"ClusterName=" + c.Name,
		"SlurmctldHost=localhost(127.0.0.1)",
		fmt.Sprintf("SlurmctldPort=%d", c.ports[0]),
		"SlurmUser=root",
		"SlurmdUser=root",
		"AuthType=auth/munge",
		"CredType=cred/munge",
		"AuthInfo=socket=" + c.path("munge/socket") + o.AuthInfo,
		"StateSaveLocation=" + c.path("state"),
		"SlurmdSpoolDir=" + c.path("spool/%n"),
		"SlurmctldPidFile=" + c.path("slurmctld.pid"),
		"SlurmdPidFile=" + c.path("slurmd-%n.pid"),
		"SlurmctldLogFile=" + c.path("slurmctld.log"),
		"SlurmdLogFile=" + c.path("%n.log"),
		"SlurmdDebug=debug2",
		"SlurmctldDebug=info",
		"ProctrackType=proctrack/" + o.Proctrack,
		"TaskPlugin=task/" + o.TaskPlugin,
		"JobAcctGatherType=jobacct_gather/none",
		"AccountingStorageType=accounting_storage/none",
		"SwitchType=switch/none",
		"MpiDefault=none",
		"ReturnToService=2",
		"SelectType=select/cons_tres",
		"SelectTypeParameters=CR_CPU",
		"SlurmdParameters=config_overrides",
		fmt.Sprintf("KillWait=%d", o.KillWait),
		"MessageTimeout=30",
		"CompleteWait=0",
		"EpilogMsgTime=100",
		"SchedulerParameters=defer_batch,batch_sched_delay=0,sched_min_interval=0,requeue_delay=1",
		fmt.Sprintf("FirstJobId=%d", o.FirstJob),
	}
	if o.Epilog != "" {
		lines = append(lines, "Epilog="+o.Epilog)
	}
	if o.TaskEpilog != "" {
		lines = append(lines, "TaskEpilog="+o.TaskEpilog)
	}
	lines = append(lines, o.Conf...)
	for i, node := range c.Nodes {
		lines = append(lines, fmt.Sprintf("NodeName=%s NodeHostname=localhost NodeAddr=127.0.0.1 Port=%d CPUs=%d State=UNKNOWN", node, c.ports[i+1], o.CPUs))
	}
	lines = append(lines, "PartitionName=main Nodes="+strings.Join(c.Nodes, ",")+" Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4")
	if err := os.WriteFile(c.Conf(), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(c.path("etc/cgroup.conf"), []byte(strings.Join(c.cgroupLines(), "\n")+"\n"), 0o644)
}

// cgroupLines returns what cgroup.conf says.
func (c *Cluster) cgroupLines() []string {
	lines := []string{
		fmt.Sprintf("CgroupPlugin=cgroup/v%d", c.Place.Cgroup), "CgroupMountpoint=/sys/fs/cgroup",
		"ConstrainCores=no", "ConstrainDevices=no",
	}
	if c.Place.Cgroup == 2 && c.Place.Version.Has(slurm.SystemdTimeout) {
		// An emulated machine is slow to make the scope.
		lines = append(lines, "SystemdTimeout=20000")
	}
	return append(lines, c.options.Cgroup...)
}
