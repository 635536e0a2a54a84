package watch

import (
	"encoding/binary"
	"os"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastcall/internal/slurm/slurmd"
	"lastcall/internal/slurm/spool"
)

// folder is a spool folder of node n1 with the sockets of these steps, as far
// as their names go, and a cred_state.
func folder(t *testing.T, state []byte, sockets ...string) *node {
	t.Helper()
	dir := t.TempDir()
	for _, name := range sockets {
		if err := os.WriteFile(dir+"/n1_"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := &node{Instance: slurmd.Instance{Node: "n1", SpoolDir: dir}, jobs: map[uint32]*job{}, fresh: true, orders: true}
	n.write(t, state)
	return n
}

// write writes cred_state, later than anything else in the folder.
func (n *node) write(t *testing.T, state []byte) {
	t.Helper()
	path := n.SpoolDir + "/" + spool.StateFile
	if err := os.WriteFile(path, state, 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
}

// told is a cred_state of Slurm 22.05 (slurm_cred.c, _job_state_pack): the
// jobs, of which those with a negative number were told to end.
func told(jobs ...int) []byte {
	text := binary.BigEndian.AppendUint32(nil, uint32(len(jobs)))
	now := uint64(time.Now().Unix())
	for _, job := range jobs {
		revoked := uint64(0)
		if job < 0 {
			job, revoked = -job, now
		}
		text = binary.BigEndian.AppendUint32(text, uint32(job))
		text = binary.BigEndian.AppendUint64(text, revoked)
		text = binary.BigEndian.AppendUint64(text, now-100)
		text = binary.BigEndian.AppendUint64(text, 0x7fffffff)
	}
	return binary.BigEndian.AppendUint32(text, 0)
}

func (n *node) ids() []uint32 {
	var ids []uint32
	for id := range n.jobs {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

func (n *node) expect(t *testing.T, want ...uint32) (over []*job) {
	t.Helper()
	over, err := n.refresh(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, n.ids()); diff != "" {
		t.Errorf("jobs that were told to end: %s", diff)
	}
	return over
}

func TestOrders(t *testing.T) {
	n := folder(t, told(77, -78, -79), "77.0", "78.0", "78.4294967291", "80.0")
	n.expect(t, 78)
	if !n.jobs[78].inherited {
		t.Error("the order was there before the service")
	}
	n.write(t, told(-77, -78))
	n.orders = true
	n.expect(t, 77, 78)
	if n.jobs[77].inherited {
		t.Error("the order came while the service was there")
	}
	if err := os.Remove(n.SpoolDir + "/n1_77.0"); err != nil {
		t.Fatal(err)
	}
	if over := n.expect(t, 78); len(over) != 1 || over[0].id != 77 {
		t.Errorf("over: %v", over)
	}
}

// A run whose steps began after the file was written is another one.
func TestTheNextRunHasNoOrder(t *testing.T) {
	n := folder(t, told(-77), "77.0")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(n.SpoolDir+"/n1_77.0", later, later); err != nil {
		t.Fatal(err)
	}
	n.expect(t)
}

// In a file nobody understands every job may be meant, once each time it is
// written: the controller has the last word.
func TestAFileOfAnUnknownVersion(t *testing.T) {
	unknown := []byte("\xff\xff what a newer Slurm may write")
	n := folder(t, unknown, "77.0", "78.0")
	n.expect(t, 77, 78)
	n.jobs[77].refused, n.jobs[77].doubted = "RUNNING", true
	n.expect(t, 77, 78)
	if !n.jobs[77].doubted {
		t.Error("a job that is not over is asked about again, though nothing was written")
	}
	if err := os.WriteFile(n.SpoolDir+"/n1_79.0", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n.expect(t, 77, 78) // a step that starts is no order
	n.write(t, unknown)
	n.orders = true
	n.expect(t, 77, 78, 79)
	if n.jobs[77].doubted {
		t.Error("after a further order the job is not looked at anew")
	}
}

// The moment in which slurmd replaces its file says nothing.
func TestNoFile(t *testing.T) {
	n := folder(t, told(-77), "77.0")
	if err := os.Remove(n.SpoolDir + "/" + spool.StateFile); err != nil {
		t.Fatal(err)
	}
	n.expect(t)
	if !n.orders {
		t.Error("what was not read counts as read")
	}
	n.write(t, told(-77))
	n.expect(t, 77)
}
