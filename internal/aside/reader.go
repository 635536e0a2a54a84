package aside

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

const (
	// limit is how long one answer may take, and least what it is given when
	// the patience is used up.
	limit = 500 * time.Millisecond
	least = 20 * time.Millisecond
	// patience is how long a Reader waits in vain in all its life.
	patience = 1500 * time.Millisecond
	// batch is how many requests are on their way at most: they fit into the
	// smallest pipe there is (a page, pipe(7)), so that writing them never waits.
	batch = 800
)

// ErrLate says that a process did not let itself be read in time.
var ErrLate = errors.New("no answer in time: one of its threads is stuck in the kernel")

// ErrOver says that a process was not even asked, since the time was over. It
// is an ErrLate too.
var ErrOver error = over{}

type over struct{}

func (over) Error() string        { return "no time was left to read it" }
func (over) Is(target error) bool { return target == ErrLate }

// errNoChild says that the child could not be started, or ended by itself.
var errNoChild = errors.New("there is no child to read with")

// Subject is a process to be read.
type Subject struct {
	PID   int
	Stuck bool // in state D: it is asked last, and never without a child
}

// Reader reads files of many processes through one disposable child, which is
// started when it is first needed. Close it after use.
type Reader struct {
	fs       proc.FS
	child    int  // pid, 0 for none
	leaving  bool // it was told that there is nothing more to read
	to, from int
	spent    time.Duration // waited in vain so far
	broken   bool          // children cannot be had here
	answers  []byte        // read, but not taken yet
	buffer   []byte
}

// NewReader returns a Reader for the processes of that proc file system.
func NewReader(fs proc.FS) *Reader { return &Reader{fs: fs, buffer: make([]byte, 64<<10)} }

// Each reads the file of each process and calls use with its index and what
// it says, the stuck ones last. The text is valid during the call only. One that
// does not answer is ErrLate; all that are left after until are ErrOver. Where
// no child can be had, because of a limit on processes for instance, those that
// are not stuck are read directly.
func (r *Reader) Each(subjects []Subject, file File, until time.Time, use func(i int, text []byte, err error)) {
	order := make([]int, 0, len(subjects))
	for _, stuck := range []bool{false, true} {
		for i, subject := range subjects {
			if subject.Stuck == stuck {
				order = append(order, i)
			}
		}
	}
	for len(order) > 0 {
		some := order[:min(len(order), batch)]
		if !time.Now().Before(until) {
			for _, at := range order {
				use(at, nil, fmt.Errorf("%s: %w", path(subjects[at].PID, file), ErrOver))
			}
			return
		}
		if r.broken || !r.start() {
			for _, at := range some {
				text, err := r.direct(subjects[at], file)
				use(at, text, err)
			}
			order = order[len(some):]
			continue
		}
		order = order[r.ask(subjects, some, file, until, use):]
	}
}

// One reads one file of one process.
func (r *Reader) One(subject Subject, file File, until time.Time) (text []byte, err error) {
	r.Each([]Subject{subject}, file, until, func(_ int, answer []byte, wrong error) {
		text, err = append(text, answer...), wrong
	})
	return text, err
}

func late(subject Subject, file File) error {
	return fmt.Errorf("%s: %w", path(subject.PID, file), ErrLate)
}

// direct reads without a child what most likely does not wait.
func (r *Reader) direct(subject Subject, file File) ([]byte, error) {
	if subject.Stuck || file == Python {
		return nil, fmt.Errorf("%s: %w", path(subject.PID, file), errNoChild)
	}
	return read(r.fs, subject.PID, file, r.buffer)
}

// ask hands some requests to the child and returns how many are settled: all,
// or those up to the first that was late, with which the child is given up.
func (r *Reader) ask(subjects []Subject, some []int, file File, until time.Time, use func(int, []byte, error)) int {
	var requests []byte
	for _, at := range some {
		requests = request(requests, subjects[at].PID, file)
	}
	if n, err := syscall.Write(r.to, requests); err != nil || n < len(requests) {
		r.Close()
		r.broken = true
		return 0
	}
	for i, at := range some {
		began := time.Now()
		text, err := r.answer(min(max(min(limit, patience-r.spent), least), time.Until(until)))
		switch {
		case errors.Is(err, ErrLate):
			r.spent += time.Since(began)
			r.Close()
			use(at, nil, late(subjects[at], file))
			return i + 1
		case errors.Is(err, errNoChild):
			r.Close()
			r.broken = true
			return i
		case err != nil:
			err = fmt.Errorf("read %s: %w", path(subjects[at].PID, file), err)
		}
		use(at, text, err)
	}
	return len(some)
}

// answer takes the next answer, valid until the next call.
func (r *Reader) answer(most time.Duration) ([]byte, error) {
	until := time.Now().Add(most)
	if err := r.gather(headerSize, until); err != nil {
		return nil, err
	}
	errno := syscall.Errno(binary.NativeEndian.Uint32(r.answers))
	size := int(binary.NativeEndian.Uint32(r.answers[4:]))
	if size > maxAnswer {
		return nil, errNoChild
	}
	// The child writes an answer in one go, so the rest is on its way.
	if err := r.gather(headerSize+size, until.Add(limit)); err != nil {
		return nil, err
	}
	text := r.answers[headerSize : headerSize+size]
	r.answers = r.answers[headerSize+size:]
	if errno != 0 {
		return text, errno
	}
	return text, nil
}

// gather reads until so many bytes are there.
func (r *Reader) gather(size int, until time.Time) error {
	for len(r.answers) < size {
		if !linux.Readable(r.from, time.Until(until)) {
			return ErrLate
		}
		n, err := syscall.Read(r.from, r.buffer)
		if err != nil && err != syscall.EINTR || n == 0 {
			return errNoChild
		}
		r.answers = append(r.answers[:len(r.answers):len(r.answers)], r.buffer[:max(n, 0)]...)
	}
	return nil
}
