package stuck

import (
	"testing"
	"time"

	"lastcall/internal/cause"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

var seen = []cause.Mount{
	{ID: 1, Major: 254, Minor: 1, Point: "/", Type: "ext4", Source: "/dev/vda1"},
	{ID: 2, Major: 7, Point: "/frozen", Type: "xfs", Source: "/dev/loop0"},
	{ID: 3, Minor: 26, Point: "/scratch", Type: "nfs4", Source: "nas3:/scratch"},
	{ID: 4, Minor: 77, Point: "/remote", Type: "fuse.sshfs", Source: "far:", Options: "rw,user_id=1000,group_id=1000"},
}

func lockOn(path string, kind locks.Kind, holders ...proc.Key) locks.Held {
	held := locks.Held{Lock: locks.Lock{Kind: kind, Device: deviceOf(cause.ByPath(seen, path)), Inode: 5}}
	for _, key := range holders {
		held.Holders = append(held.Holders, locks.Holder{Key: key, Path: path})
	}
	return held
}

func TestWhichLocksMayBeFreed(t *testing.T) {
	a, b := proc.Key{PID: 1, Start: 1}, proc.Key{PID: 2, Start: 1}
	on := func(m cause.Mount, code cause.Code) []Process {
		return []Process{{Key: a, Cause: cause.Cause{Code: code, Mount: m}}}
	}
	frozen, unknown := on(seen[1], cause.FrozenFS), on(cause.Mount{}, cause.Unknown)
	exiting := on(seen[1], cause.FrozenFS)
	exiting[0].Exiting = true
	release := Policy{Release: true, ReleasePaths: []string{"/data", "/scratch", "/frozen"}}
	moved := lockOn("/data/x", locks.FLOCK, a)
	moved.Lock.Device.Minor = 9
	tests := []struct {
		name   string
		policy Policy
		held   locks.Held
		all    []Process
		want   string
	}{
		{"a flock on another file system", release, lockOn("/data/x", locks.FLOCK, a), frozen, ""},
		{"a lock of an open file", release, lockOn("/data/x", locks.OFDLCK, a), frozen, ""},
		{"of the process", release, lockOn("/data/x", locks.POSIX, a), frozen, reasonKind},
		{"a lease", release, lockOn("/data/x", locks.LEASE, a), frozen, reasonKind},
		{"the site reports only", Policy{ReleasePaths: []string{"/data"}}, lockOn("/data/x", locks.FLOCK, a), frozen, reasonPolicy},
		{"not a path of the site's", release, lockOn("/database/x", locks.FLOCK, a), frozen, reasonPath},
		{"no path", release, lockOn("", locks.FLOCK, a), frozen, reasonPath},
		{"a removed file", release, lockOn("/data/x (deleted)", locks.FLOCK, a), frozen, reasonPath},
		{"held by another process too", release, lockOn("/data/x", locks.FLOCK, a, b), frozen, reasonOutside},
		{"held by one that exits", release, lockOn("/data/x", locks.FLOCK, a), exiting, reasonExiting},
		{"on the file system that is stuck", release, lockOn("/frozen/x", locks.FLOCK, a), frozen, reasonSame},
		{"on a network file system", release, lockOn("/scratch/x", locks.FLOCK, a), frozen, reasonType},
		{"stuck on nobody knows what", release, lockOn("/data/x", locks.FLOCK, a), unknown, reasonUnknown},
		{"stuck on NFS of an unknown server", release, lockOn("/data/x", locks.FLOCK, a), on(cause.Mount{}, cause.NFS), ""},
		{"stuck on a device of an unknown file", release, lockOn("/data/x", locks.FLOCK, a), on(cause.Mount{}, cause.Block), reasonUnknown},
		{"a path of another namespace", release, moved, frozen, reasonElsewhere},
	}
	for _, test := range tests {
		stuck := map[proc.Key]*Process{a: &test.all[0]}
		if got := test.policy.refuses(test.held, stuck, test.all, seen); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestWhatMayChange(t *testing.T) {
	for done, want := range map[string]bool{
		leftWorks: true, leftUsed: true, leftUnseen: true, leftNoTime: true, leftUnknown: true,
		leftByConfig: false, leftNoUser: false, leftUncertain: false, leftAnswered: false, leftObserve: false,
		notAborted + "no child could be started": true, "": false, "aborted: 1 of 1 processes are gone now": false,
	} {
		if got := MayChange(done); got != want {
			t.Errorf("%q may change: %v", done, got)
		}
	}
}

// Which file system it is may not have been read in time, and the daemon of a
// virtiofs is not on this host: nothing is aborted.
func TestAnUnknownConnectionIsLeft(t *testing.T) {
	virtiofs := cause.Mount{ID: 9, Minor: 50, Point: "/host", Type: "virtiofs", Source: "host"}
	for want, mount := range map[string]cause.Mount{leftUnknown: {}, "": virtiofs} {
		x := New(proc.FS(t.TempDir()), nil)
		list := []Process{{Key: proc.Key{PID: 10, Start: 1}, Cause: cause.Cause{Code: cause.FUSE, Mount: mount}}}
		if daemons, why := x.Abort(Groups(list)[0], list, 1000, nil, Policy{AbortFUSE: true}, time.Now().Add(time.Minute)); len(daemons) > 0 || why != want {
			t.Errorf("%v, %q, want %q", daemons, why, want)
		}
	}
}

func TestWhichConnectionsMayBeAborted(t *testing.T) {
	on := Policy{AbortFUSE: true}
	user := served{users: []Daemon{{}}}
	roots := seen[3]
	roots.Options = "rw,user_id=0,group_id=0"
	tests := []struct {
		name     string
		policy   Policy
		mount    cause.Mount
		user     uint32
		served   served
		complete bool
		want     string
	}{
		{"the job's user's", on, seen[3], 1000, served{daemons: []Daemon{{}}}, true, ""},
		{"off", Policy{}, seen[3], 1000, served{}, true, leftByConfig},
		{"another user's", on, seen[3], 1001, served{}, true, leftNoUser},
		{"root's", on, seen[3], 0, served{}, true, leftNoUser},
		{"root's, of a job of nobody knows whom", on, roots, 0, served{daemons: []Daemon{{}}}, true, leftNoUser},
		{"nobody's by the options", on, seen[0], 1000, served{}, true, leftNoUser},
		{"used elsewhere", on, seen[3], 1000, user, true, leftUsed},
		{"not all was seen", on, seen[3], 1000, served{}, false, leftUnseen},
		{"nobody serves it", on, seen[3], 1000, served{}, true, ""},
		{"nobody knows who serves it", on, seen[3], 1000, served{uncertain: true}, true, leftUncertain},
		{"the user's daemon, and one of somebody else's", on, seen[3], 1000, served{daemons: []Daemon{{}}, uncertain: true}, true, ""},
		{"observe", Policy{AbortFUSE: true, Observe: true}, seen[3], 1000, served{}, true, leftObserve},
	}
	for _, test := range tests {
		if got := test.policy.refusesAbort(test.mount, test.user, test.served, test.complete); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestGroupsAndSlowness(t *testing.T) {
	nfs := cause.Cause{Code: cause.NFS, Function: "f", Mount: seen[2]}
	slow := cause.Cause{Code: cause.ExitMemory, Function: "exit_mmap", Works: true}
	list := []Process{{Cause: nfs}, {Cause: slow}, {Cause: nfs}}
	groups := Groups(list)
	if len(groups) != 2 || len(groups[0].Members) != 2 || groups[0].Members[1] != 2 || OnlySlow(list) || !OnlySlow(list[1:2]) {
		t.Errorf("%+v", groups)
	}
	if !On(seen, list, "/scratch/log") || On(seen, list, "/var/log") {
		t.Error("where the log lies")
	}
}
