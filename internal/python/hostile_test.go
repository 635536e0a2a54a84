package python

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lastcall/test/pythons"
)

const (
	// mostGrowth is the most that reading may add to what is resident of the
	// process, in bytes.
	mostGrowth = 16 << 20
	// longest is the most one reading may take. It is given one second; the
	// rest is for a machine that does something else.
	longest = 30 * time.Second
)

// number is what an environment variable says, or the value.
func number(t testing.TB, name string, value uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return value
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Whatever the memory holds, reading it ends, and takes little: no image makes
// it panic or takes longer than it may, and for none do more than 16 MiB become
// resident beside the picture itself. Measured is how much more is resident of
// this process at most, at any time (VmHWM, which begins anew for each
// interpreter), than before the first image. The garbage collector has the
// limit it has in the disposable child, and begins anew as it does there: what
// earlier images left, more than 2 MiB of it, is collected before the next one.
//
// An image is the picture of a real interpreter with one to four words, or
// parts of them, changed. LASTCALL_IMAGES says how many there are, over all
// interpreters of this machine together; `make spoiled` reads a million.
// LASTCALL_SEED is where they come from: a failure names it, the image's
// number, and what was changed.
func TestSpoiledMemory(t *testing.T) {
	all := pythons.Found(t)
	images := number(t, "LASTCALL_IMAGES", 3000)
	seed := number(t, "LASTCALL_SEED", rand.Uint64())
	fmt.Printf("LASTCALL_SEED=%d\n", seed) // at once: not every crash lets a test say anything
	tried, reached := map[string]int{}, map[string]int{}
	for at, python := range all {
		share := images*uint64(at+1)/uint64(len(all)) - images*uint64(at)/uint64(len(all))
		t.Run(pythons.Name(python), func(t *testing.T) {
			s := &spoiled{picture: draw(t, python), seed: seed, tried: tried, reached: reached}
			s.readAll(t, share)
		})
	}
	for kind, n := range tried {
		if n >= 100 && reached[kind] == 0 {
			t.Errorf("%d changes of %s made no difference: they miss what is read", n, kind)
		}
	}
	t.Logf("changes alone in their image, by what they were in: %v; of these made a difference: %v", tried, reached)
}

// spoiled reads images of one picture.
type spoiled struct {
	*picture
	seed           uint64
	whole          []byte // what is read of the picture itself
	tried, reached map[string]int
	began          atomic.Int64 // when this image was begun, in ns
	image          atomic.Uint64
	tidied         uint64 // bytes allocated when garbage was collected last
}

func (s *spoiled) readAll(t *testing.T, images uint64) {
	own, err := s.read()
	if err != nil || len(own.Threads) != 4 {
		t.Fatalf("the picture itself: %+v, %v", own, err)
	}
	s.whole = sane(t, own, 0)
	began := time.Now()
	s.began.Store(began.UnixNano())
	stop := make(chan struct{})
	defer close(stop)
	go s.watch(stop)
	resident, restore := lean(t)
	defer restore()

	failed, slowest, peak := uint64(0), time.Duration(0), 0
	for n := range images {
		took, err := s.one(t, n)
		if err != nil {
			failed++
		}
		slowest = max(slowest, took)
		const step = 16
		if n%step == 0 || n == images-1 {
			if peak = resident("VmHWM"); peak > mostGrowth {
				t.Errorf("seed %d, one of the %d images to %d: %d KiB became resident", s.seed, step, n, peak>>10)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d images in %.1f s, %d of them with an error; the slowest took %s; %d pages in the picture; at most %d KiB became resident",
		images, time.Since(began).Seconds(), failed, slowest, len(s.pages), peak>>10)
	if failed < images/50 || failed == images {
		t.Errorf("of %d readings %d had an error: nothing was tried", images, failed)
	}
	if again, err := s.read(); err != nil || !bytes.Equal(sane(t, again, 0), s.whole) {
		t.Errorf("the picture is not what it was: %v", err)
	}
}

// one reads one image: which one, the seed and the number say.
func (s *spoiled) one(t *testing.T, n uint64) (took time.Duration, err error) {
	s.image.Store(n)
	s.tidy()
	r := rand.New(rand.NewPCG(s.seed, n))
	var changes []change
	s.endless = r.IntN(8) == 0
	for range 1 + r.IntN(4) {
		changes = append(changes, s.spoil(r))
	}
	defer func() {
		if wrong := recover(); wrong != nil {
			t.Errorf("panic: %v\n%s", wrong, debug.Stack())
		}
		if t.Failed() {
			t.Errorf("seed %d, image %d of %s, endless %v: %v", s.seed, n, s.path, s.endless, changes)
		}
		s.mend(changes)
		s.endless = false
	}()
	began := time.Now()
	s.began.Store(began.UnixNano())
	snapshot, err := s.read()
	took = time.Since(began)
	text := sane(t, snapshot, took)
	if len(changes) == 1 {
		s.tried[changes[0].kind]++
		if err != nil || !bytes.Equal(text, s.whole) {
			s.reached[changes[0].kind]++
		}
	}
	return took, err
}

// tidy collects the garbage if there may be more than 2 MiB of it.
func (s *spoiled) tidy() {
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(allocated)
	if now := allocated[0].Value.Uint64(); now-s.tidied > 2<<20 {
		runtime.GC()
		s.tidied = now
	}
}

// watch ends the process if one image takes too long: a reading that hangs
// does not end by itself.
func (s *spoiled) watch(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
		}
		if took := time.Since(time.Unix(0, s.began.Load())); took > longest {
			debug.SetTraceback("all")
			panic(fmt.Sprintf("hangs: seed %d, image %d of %s: %s", s.seed, s.image.Load(), s.path, took))
		}
	}
}

// lean has the process save memory like the disposable child, and returns what
// tells how many bytes more are resident now (VmRSS) or were at most (VmHWM).
// On one processor collecting garbage so often is several times as fast.
func lean(t *testing.T) (resident func(name string) int, restore func()) {
	t.Helper()
	processors := runtime.GOMAXPROCS(1)
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // VmHWM begins anew
		t.Fatal(err)
	}
	before := 0
	resident = func(name string) int {
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\n"+name+":")
		kib, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		return kib<<10 - before
	}
	before = resident("VmRSS")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limit := debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + mostMemory)
	return resident, func() {
		debug.SetMemoryLimit(limit)
		runtime.GOMAXPROCS(processors)
	}
}

// sane fails if a snapshot of a spoiled memory breaks a promise. It returns
// what would be answered.
func sane(t testing.TB, s *Snapshot, took time.Duration) []byte {
	t.Helper()
	if took > longest {
		t.Errorf("it took %s", took)
	}
	if s == nil {
		return nil
	}
	frames := 0
	for _, thread := range s.Threads {
		frames += len(thread.Frames)
		for _, f := range thread.Frames {
			if len(f.Function) > 4*mostText || len(f.File) > 4*mostText {
				t.Errorf("a name of %d and a file of %d bytes", len(f.Function), len(f.File))
			}
		}
	}
	if frames > 2*mostLinks || len(s.Threads) > mostThreads {
		t.Errorf("%d threads with %d frames", len(s.Threads), frames)
	}
	text, err := (reply{Snapshot: s}).encode(64 << 10)
	if err != nil || len(text) > 64<<10 {
		t.Errorf("an answer of %d bytes, %v", len(text), err)
	}
	return text
}

func FuzzSpoiledMemory(f *testing.F) {
	p := draw(f, pythons.Found(f)[0])
	f.Add([]byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, changes []byte) {
		var made []change
		for ; len(changes) >= 16 && len(made) < 16; changes = changes[16:] {
			value := binary.LittleEndian.Uint64(changes[8:])
			if value>>60 == 5 {
				value = p.words[value%uint64(len(p.words))]
			}
			where := p.words[binary.LittleEndian.Uint64(changes)%uint64(len(p.words))]
			made = append(made, change{address: where, old: p.set(where, value, 8)})
		}
		began := time.Now()
		s, _ := p.read()
		sane(t, s, time.Since(began))
		p.mend(made)
	})
}
